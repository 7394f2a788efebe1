import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    minify: false,
    lib: {
      entry: { index: "src/index.ts", jspsych: "src/jspsych.ts" },
      formats: ["es"],
      fileName: (_format, name) => `${name}.js`,
    },
    rollupOptions: { external: ["jspsych"] },
  },
});
