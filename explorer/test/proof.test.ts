import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readCases, replay } from "../src/math/proof";
import { PythonRandom, sha512 } from "../src/math/random";

const stored = (path: string) => new Uint8Array(readFileSync(new URL(path, import.meta.url)));
const PYTHON = [0.7275276017678998, 0.5027225715403341, 0.2999353962874398];

describe("random numbers", () => {
  it("are Python's", () => {
    const source = new PythonRandom("grid 0 x");
    expect([source.random(), source.random(), source.random()]).toEqual(PYTHON);
    expect(Buffer.from(sha512(new TextEncoder().encode("abc"))).toString("hex")).toMatch(/^ddaf35a1/);
  });
});

describe("the stored PyTorch cases", () => {
  it.each([
    ["the grid of the package's tests", "../../tests/torch_results/grid.npz", "grid", 286],
    ["padding modes", "../cases/torch.npz", "modes", 36],
    ["one axis", "../cases/line.npz", "line", 60],
    ["transposed, as the gradient of a convolution", "../cases/adjoint.npz", "adjoint", 34],
  ])("agree, every one, outputs and all gradients: %s", async (_, path, seed, least) => {
    const cases = await readCases(stored(path), seed);
    expect(cases.length).toBeGreaterThanOrEqual(least);
    const failed = cases.map((c) => ({ c, verdict: replay(c) })).filter((r) => !r.verdict.agrees);
    expect(failed.map((f) => [f.c.number, f.c.function, f.verdict])).toEqual([]);
  });
});
