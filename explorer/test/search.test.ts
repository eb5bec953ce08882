import { describe, expect, it } from "vitest";
import { DEFAULTS, plan } from "../src/math/options";
import { search } from "../src/math/search";

describe("the search for options", () => {
  it.each([[8, 16], [16, 8], [5, 5], [7, 3], [4, 7], [32, 34], [28, 14]])("from %i to %i finds only what does it", (from, to) => {
    const found = search(from, to);
    expect(found.length).toBeGreaterThan(0);
    for (const f of found) {
      const both = (n: number) => [n, n] as const;
      const { steps } = plan({
        ...DEFAULTS[f.kind === "conv" ? "standard" : "transpose"], size: both(from), kernel: both(f.kernel), stride: both(f.stride),
        padding: both(f.padding), dilation: both(f.dilation), outputPadding: both(f.outputPadding),
      });
      expect(steps[0]?.axes.map((axis) => axis.outputs)).toEqual([to, to]);
    }
  });
  it("names the usual ones first", () => {
    expect(search(16, 8).find((f) => f.kind === "conv")).toMatchObject({ kernel: 3, stride: 2, padding: 1, dilation: 1 });
    expect(search(8, 8)[0]).toMatchObject({ kind: "conv", kernel: 3, stride: 1, padding: 1 });
    const up = search(8, 16).slice(0, 3).map(({ kernel, stride, padding }) => [kernel, stride, padding]);
    expect(up).toContainEqual([2, 2, 0]);
    expect(up).toContainEqual([4, 2, 1]);
  });
});
