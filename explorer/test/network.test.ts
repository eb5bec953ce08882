import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fieldOf, normaliseImage, partsOf, ROWS, runNetwork, valueAt } from "../src/math/network";
import { pack, unpack } from "../src/math/packing";

const read = (path: string) => new Uint8Array(readFileSync(new URL(path, import.meta.url)));
const expected = JSON.parse(new TextDecoder().decode(read("../cases/network.json"))) as {
  logits: number[][]; means: number[][]; numbers: number[][]; shapes: number[][];
};
const { tensors, card } = unpack(pack(read("../../jaxconv/weights/s9_cifar10.safetensors")));
const drawings = read("../src/data/drawings.bin");
const results = expected.logits.map((_, i) =>
  runNetwork(normaliseImage(drawings.subarray(3072 * i, 3072 * (i + 1)), card), tensors),
);

describe("S9Net in TypeScript", () => {
  it("gives jaxconv's logits within 1e-3 (and within 2e-4)", () => {
    const apart = results.flatMap((result, i) => [...result.logits].map((logit, k) => Math.abs(logit - expected.logits[i][k])));
    expect(apart.length).toBe(100);
    expect(Math.max(...apart)).toBeLessThan(2e-4);
  });

  it("has every block's maps: shape, mean and a number of each", () => {
    ROWS.forEach((_, b) =>
      results.forEach((result, i) => {
        const { y, size, row } = result.blocks[b];
        expect([...size, row.features]).toEqual(expected.shapes[b]);
        expect(y.reduce((sum, value) => sum + value, 0) / y.length).toBeCloseTo(expected.means[b][i], 4);
        expect(valueAt(result, { block: b, pass: -1, row: 1, col: 2, channel: 5 })).toBeCloseTo(expected.numbers[b][i], 3);
      }),
    );
  });

  it("explains a number by parts that add up to it", () => {
    for (const block of [0, 1, 4, 11]) {
      const spot = { block, pass: -1, row: 1, col: 2, channel: 5 };
      const result = results[3];
      const { slope, shift, passes, row } = result.blocks[block];
      const sum = partsOf(result, spot).reduce((total, part) => total + part.sum, 0);
      const residual = row.residual ? result.blocks[block - 1].y[(1 * passes[0].stage.axes[1].size + 2) * row.features + 5] : 0;
      expect(Math.max(sum, 0) * slope[5] + shift[5] + residual).toBeCloseTo(valueAt(result, spot), 4);
    }
    const depthwise = partsOf(results[0], { block: 1, pass: 0, row: 4, col: 4, channel: 7 });
    expect(depthwise.map((part) => part.channel)).toEqual([7]);
  });

  it("knows which pixels a number depends on", () => {
    expect(fieldOf(results[0], { block: 0, pass: -1, row: 5, col: 0, channel: 0 })).toEqual([[4, 6], [0, 1]]);
    expect(fieldOf(results[0], { block: 11, pass: -1, row: 1, col: 1, channel: 0 })).toEqual([[0, 31], [0, 31]]);
  });
});
