import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DEFAULTS, plan, type Options } from "../src/math/options";

interface Case extends Record<string, unknown> {
  function: string; size: number; kernel: number; channels: number; features: number; refused: boolean;
}
const cases = JSON.parse(readFileSync(new URL("../cases/refusals.json", import.meta.url), "utf8")) as Case[];

function options(c: Case): Options {
  const both = (name: string, usual: number) => {
    const n = (c[name] as number | undefined) ?? usual;
    return [n, n] as const;
  };
  return {
    ...DEFAULTS[c.function === "conv" ? "standard" : "transpose"],
    size: [c.size, c.size], kernel: [c.kernel, c.kernel], stride: both("stride", 1),
    padding: typeof c.padding === "string" ? (c.padding as "same") : both("padding", 0),
    dilation: both("dilation", 1), outputPadding: both("output_padding", 0),
    channels: c.channels, features: c.features, groups: (c.groups as number | undefined) ?? 1,
    mode: (c.padding_mode as Options["mode"] | undefined) ?? "zeros",
  };
}

/** jaxconv computes these, and so does the page. tests/test_explorer_code.py asks jaxconv. */
const beyond = (c: Case) => c.function === "transpose_conv" && (c.padding_mode !== undefined || typeof c.padding === "string");

describe("what this page alone refuses", () => {
  it("is more numbers than a browser can draw", () => {
    const large: Options = { ...DEFAULTS.transpose, size: [32, 32], stride: [8, 8] };
    const [problem] = plan(large).problems;
    expect(problem).toMatchObject({ field: "size", limit: true });
    expect(problem.text).toMatch(/^This page draws up to 40,000 numbers; these maps have [\d,]+\.$/);
    expect(plan(large, { anySize: true }).problems).toEqual([]);
  });
});

describe("what PyTorch refuses", () => {
  it("is enough of both", () => {
    expect(cases.filter((c) => c.refused).length).toBeGreaterThan(20);
    expect(cases.filter((c) => !c.refused).length).toBeGreaterThan(20);
  });
  it.each(cases.map((c) => [JSON.stringify(c), c] as const))("%s", (_, c) => {
    const { problems, steps, beyond: note } = plan(options(c), { anySize: true });
    expect(problems.length > 0).toBe(c.refused && !beyond(c));
    expect(steps.length > 0).toBe(!c.refused || beyond(c));
    expect(note !== null).toBe(c.refused && beyond(c));
    if (note) expect(note).toMatch(/^PyTorch's ConvTranspose2d refuses .+; jaxconv .+\.$/);
    for (const problem of problems) expect(problem.text).toMatch(/^.{15,}\.$/);
  });
});
