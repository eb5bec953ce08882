import { defineConfig } from "vitest/config";
import { viteSingleFile } from "vite-plugin-singlefile";

// One file without a request: scripts, styles and data are all inside the page.
export default defineConfig({
  plugins: [viteSingleFile({ removeViteModuleLoader: true })],
  build: { outDir: "dist", target: "es2022", modulePreload: false, assetsInlineLimit: 1e9 },
  test: { include: ["test/**/*.test.ts"] },
});
