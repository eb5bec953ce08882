import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";
import { viteSingleFile } from "vite-plugin-singlefile";
import { pack } from "./src/math/packing.ts";

const read = (path: string) => new Uint8Array(readFileSync(new URL(path, import.meta.url)));

/** What the page carries: `import text from "base64:weights"` gives it as text. */
const DATA: Record<string, () => Uint8Array> = {
  weights: () => pack(read("../jaxconv/weights/s9_cifar10.safetensors")),
  drawings: () => read("src/data/drawings.bin"),
  grid: () => read("../tests/torch_results/grid.npz"),
  modes: () => read("cases/torch.npz"),
  line: () => read("cases/line.npz"),
  adjoint: () => read("cases/adjoint.npz"),
};

function base64(): Plugin {
  return {
    name: "base64",
    resolveId: (id) => (id.startsWith("base64:") ? `\0${id}` : null),
    load(id) {
      if (!id.startsWith("\0base64:")) return null;
      const bytes = DATA[id.slice("\0base64:".length)]();
      return `export default ${JSON.stringify(Buffer.from(bytes).toString("base64"))}`;
    },
  };
}

// One file without a request: scripts, styles and data are all inside the page.
export default defineConfig({
  plugins: [base64(), viteSingleFile({ removeViteModuleLoader: true })],
  build: { outDir: "dist", target: "es2022", modulePreload: false, assetsInlineLimit: 1e9, chunkSizeWarningLimit: 1600 },
  test: { include: ["test/**/*.test.ts"] },
});
