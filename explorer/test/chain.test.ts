import { describe, expect, it } from "vitest";
import { chainRows, CHAINS, dependence, fieldOf, formatChain, LAYER, parseChain, type Layer } from "../src/math/chain";

describe("a chain of layers", () => {
  it("knows S9Net: sizes, receptive field 105, jump 8", () => {
    const { rows } = chainRows(CHAINS.S9Net);
    expect(rows.map((row) => row.size)).toEqual([32, 32, 34, 16, 16, 16, 7, 7, 7, 3, 3, 3, 3]);
    // All 193,376 parameters but the head (64 x 10) and BatchNorm (scale and shift of each channel).
    const norms = 2 * (3 * 32 + 6 * 40 + 3 * 64);
    expect(rows.reduce((n, row) => n + row.weights, 0)).toBe(193_376 - 640 - norms);
    expect(rows[rows.length - 1]).toMatchObject({ field: 105, jump: [8, 1] });
  });

  it.each([
    [[1, 2, 4, 8, 16], [3, 7, 15, 31, 63]],
    [[1, 1, 1, 1, 1], [3, 5, 7, 9, 11]],
  ])("dilated by %j sees %j", (dilations, fields) => {
    const layers = dilations.map((dilation) => ({ ...LAYER, dilation, padding: dilation }));
    expect(dilations.map((_, i) => fieldOf(layers.slice(0, i + 1)))).toEqual(fields);
  });

  it("never sees less than it reads, and in the middle of a large map reads from edge to edge of its field", () => {
    const stacks: Layer[][] = [
      [LAYER, { ...LAYER, stride: 2 }, { ...LAYER, dilation: 3 }],
      [{ ...LAYER, kind: "transpose", kernel: 4, stride: 2 }, LAYER],
      [LAYER, { ...LAYER, kind: "transpose", kernel: 3, stride: 3, padding: 0 }, { ...LAYER, stride: 2 }],
      [{ ...LAYER, kind: "transpose", kernel: 2, stride: 2, dilation: 3 }],
      [{ ...LAYER, kind: "transpose", kernel: 4, stride: 2, dilation: 3 }, LAYER],
    ];
    for (const layers of stacks) {
      const { rows } = chainRows({ size: 60, channels: 1, layers });
      const last = rows[rows.length - 1];
      const middle = Array.from({ length: 12 }, (_, i) => (last.size >> 1) - 6 + i);
      const hulls = middle.map((output) => {
        const seen = [...dependence(rows, output)[0]];
        return Math.max(...seen) - Math.min(...seen) + 1;
      });
      expect(Math.max(...hulls)).toBe(last.field);
    }
  });

  it("has jumps that are fractions", () => {
    const { rows } = chainRows(parseChain("16.3_c3.2.1.1.16_t4.3.0.1.16")!);
    expect(rows.map((row) => row.jump)).toEqual([[2, 1], [2, 3]]);
  });

  it("makes no map of more than 512 pixels", () => {
    expect(chainRows(parseChain("512.3_t99.99.0.99.16")!)).toEqual({ rows: [], problem: "Layer 1 would make more than 512 pixels." });
  });

  it("says which layer leaves nothing", () => {
    const { rows, problem } = chainRows({ size: 4, channels: 1, layers: [LAYER, { ...LAYER, kernel: 7, padding: 0 }] });
    expect(rows.length).toBe(1);
    expect(problem).toBe("Layer 2 leaves nothing of 4 pixels.");
  });

  it.each(Object.entries(CHAINS))("%s goes into an address and back", (_, chain) => {
    expect(parseChain(formatChain(chain))).toEqual(chain);
  });
});
