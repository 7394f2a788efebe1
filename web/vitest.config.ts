import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const recorder = fileURLToPath(new URL("./recorder/src/index.ts", import.meta.url));

export default defineConfig({
  resolve: { alias: { "@twomind/recorder": recorder } },
  test: { include: ["*/test/**/*.test.ts"] },
});
