import { describe, expect, it } from "vitest";
import { animateCommand, snippets } from "../src/math/code";
import { parse } from "../src/math/link";
import { normalise, plan } from "../src/math/options";
import { run } from "../src/math/stage";
import { inputValues, kernelValues } from "../src/math/values";

/** Every variant, and every option of each; tests/test_explorer_code.py runs what comes out. */
const CASES = [
  "", "s=2&p=1", "n=6x7&k=3x2&s=2x1&p=1x0&d=1x2", "c=4&f=6&g=2&p=1", "c=3&f=3&g=3", "p=same&k=3x4&d=2", "p=valid&k=2",
  "p=1&mode=reflect", "p=2&mode=replicate&s=2", "p=1x2&mode=circular&n=5x6", "s=2&d=2&n=7",
  "dims=1&n=9&k=3&s=2&p=1", "dims=1&n=8&k=4&p=same",
  "v=pointwise&c=3&f=4", "v=pointwise&s=2&p=1", "dims=1&v=pointwise&n=6", "v=depthwise&c=3&m=2&p=1", "v=depthwise&s=2&k=2", "dims=1&v=depthwise&n=7",
  "v=depthwise_separable&p=1", "v=depthwise_separable&p=1&pp=1&m=2&f=5&s=2",
  "v=depthwise_separable&n=5&p=1&pp=1&mode=replicate", "v=depthwise_separable&n=3&k=1&pp=3&mode=reflect", "v=dilated", "v=dilated&d=3x1&n=9x5&p=1&f=2",
  "dims=1&v=dilated&n=9", "v=spatially_separable&f=3", "v=spatially_separable&k=3x5&n=7&s=2x1&p=1x2&mid=2&f=2",
  "v=spatially_separable&f=1&p=1", "v=transpose", "v=transpose&n=4&op=1", "v=transpose&k=2&s=2&p=0&c=2&f=3",
  "v=transpose&c=4&f=2&g=2&n=3x4&s=2x3&op=1x2&k=3", "v=transpose&s=1&d=2&op=1&p=0", "v=transpose&k=2&s=3&p=0&op=2",
  "dims=1&v=transpose&n=5&op=1", "v=transpose&n=4&p=1&mode=reflect&op=1", "v=transpose&n=3x4&s=2&p=1&mode=replicate&c=4&f=2&g=2",
  "v=transpose&n=5&s=1&p=2&mode=circular", "v=transpose&n=5&s=1&p=same&k=4x3", "v=transpose&n=4&p=valid", "dims=1&v=transpose&n=5&p=1&mode=circular",
  "v=transpose&n=5&k=3&s=1&p=2", "v=transpose&n=3&k=1&s=2&p=0",
  "dims=1&v=spatially_separable&n=8&c=2&f=3&p=1&s=2",
];

const made = CASES.map((fragment) => {
  const { state, unread } = parse(fragment);
  expect(unread).toEqual([]);
  const options = normalise(state.options);
  const { steps, problems } = plan(options);
  expect(problems).toEqual([]);
  const maps = [inputValues(steps[0], state.input, null)];
  const kernels = steps.map((step, i) => kernelValues(step, state.kernels[i], i));
  steps.forEach((step, i) => maps.push(run(step, maps[i], kernels[i])));
  const last = steps[steps.length - 1];
  const shape = [last.axes[0].outputs, last.axes[1].outputs, last.features].slice(options.dims === 1 ? 1 : 0);
  const plain = snippets({ options, steps });
  const full = snippets({ options, steps, numbers: { x: maps[0], kernels } });
  return {
    fragment, shape, values: [...maps[steps.length]],
    code: Object.fromEntries(plain.map((s) => [s.name, s.code])),
    why: Object.fromEntries(plain.filter((s) => !s.code).map((s) => [s.name, s.note])),
    withNumbers: Object.fromEntries(full.filter((s) => s.code !== plain.find((p) => p.name === s.name)!.code).map((s) => [s.name, s.code])),
    animate: animateCommand(options, steps),
  };
});

describe("code to copy", () => {
  it("is what Python runs in tests/test_explorer_code.py (after a change: npx vitest run -u)", async () => {
    await expect(JSON.stringify(made, null, 1) + "\n").toMatchFileSnapshot("../cases/code.json");
  });
  it("says why, where a library cannot", () => {
    for (const { why } of made) for (const reason of Object.values(why)) expect(reason).toMatch(/^.{20,}\.$/);
    const reasons = new Set(made.flatMap(({ why }) => Object.values(why)));
    expect(reasons.size).toBeGreaterThanOrEqual(5);
  });
  it("carries the numbers where asked", () => {
    for (const { why, withNumbers } of made)
      expect(Object.keys(withNumbers)).toEqual("PyTorch" in why ? ["jaxconv"] : ["PyTorch", "jaxconv"]);
  });
});
