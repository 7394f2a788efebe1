import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "/static/client/",
  build: {
    target: "es2022",
    outDir: "../dist/client",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
  },
});
