import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/static/participant/",
  resolve: {
    alias: {
      "@twomind/recorder": fileURLToPath(new URL("../recorder/src/index.ts", import.meta.url)),
    },
  },
  build: {
    target: "es2022",
    outDir: "../dist/participant",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
