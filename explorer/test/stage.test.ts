import { describe, expect, it } from "vitest";
import { links, outputOf } from "../src/math/links";
import { parse } from "../src/math/link";
import { plan, type Step } from "../src/math/options";
import {
  inputCount, inputGradient, inputIndex, inputUses, kernelCount, kernelGradient, matrix, outputCount, outputUses, planar, run, weightIndex,
} from "../src/math/stage";

const CASES = [
  "c=2&f=2", "n=6x5&k=3x2&s=2x1&p=1&d=1x2&c=2&f=4&g=2", "p=2&mode=reflect&c=1", "p=2&mode=circular&c=1&f=1", "p=3&mode=replicate&s=2",
  "dims=1&n=9&p=same&k=4", "v=depthwise&c=3&m=2", "v=transpose&n=3x4&s=2x3&op=1&c=2&f=2&g=2", "v=transpose&s=1&p=2&n=5", "v=transpose&k=2&s=4&p=0&op=3",
  "v=transpose&n=4&p=2&mode=reflect&op=1&c=2&f=2&g=2", "v=transpose&n=3x4&s=2&p=1x3&mode=replicate", "v=transpose&n=5&s=1&p=2&mode=circular&d=2",
  "v=transpose&n=5&s=1&p=same&k=4&mode=reflect", "dims=1&v=spatially_separable&n=8&c=2&f=3&p=1",
];
const stepOf = (fragment: string): Step => plan(parse(fragment).state.options).steps[0];
const numbers = (count: number, seed: number) => Float64Array.from({ length: count }, (_, i) => ((i * 7 + seed * 13) % 11) - 5);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);

describe.each(CASES)("%s", (fragment) => {
  const step = stepOf(fragment);
  const x = numbers(inputCount(step), 1);
  const kernel = numbers(kernelCount(step), 2);
  const y = run(step, x, kernel);
  const cotangent = numbers(outputCount(step), 3);
  const [vertical, horizontal] = step.axes;

  it("has gradients that are its adjoints", () => {
    expect(dot(y, cotangent)).toBe(dot(x, inputGradient(step, kernel, cotangent)));
    expect(dot(y, cotangent)).toBe(dot(kernel, kernelGradient(step, x, cotangent)));
  });

  it("is its matrix times the flattened input", () => {
    const { rows, entries } = matrix(step);
    const product = new Float64Array(rows);
    const flat = new Float64Array(x.length);
    x.forEach((value, i) => (flat[planar(i, step.channels, x.length)] = value));
    for (const e of entries) product[e.output] += flat[e.input] * e.weights.reduce((sum, w) => sum + kernel[w], 0);
    expect([...y].map((_, i) => product[planar(i, step.features, y.length)])).toEqual([...y]);
  });

  it("writes every output as products that add up to it", () => {
    for (let row = 0; row < vertical.outputs; row++)
      for (let col = 0; col < horizontal.outputs; col++)
        for (let channel = 0; channel < step.features; channel++) {
          const found = links(step, x, kernel, { kind: "output", row, col, channel });
          const places = vertical.reads[row].length * horizontal.reads[col].length;
          expect(found.length).toBe(places * (step.channels / step.groups));
          // Each tap once, unless a border is folded in.
          if (step.kind === "conv" || step.options.mode === "zeros") expect(places).toBe(vertical.taps * horizontal.taps);
          const sum = found.reduce((total, link) => total + link.x * link.weight, 0);
          expect(sum).toBe(y[(row * horizontal.outputs + col) * step.features + channel]);
        }
  });

  it("knows all that an input reaches, and how often it is read", () => {
    const gradient = inputGradient(step, kernel, cotangent);
    const uses = inputUses(step);
    for (let row = 0; row < vertical.size; row++)
      for (let col = 0; col < horizontal.size; col++)
        for (let channel = 0; channel < step.channels; channel++) {
          const found = links(step, x, kernel, { kind: "input", row, col, channel });
          const sum = found.reduce((total, link) => total + link.weight * cotangent[outputOf(step, link)], 0);
          expect(sum).toBe(gradient[inputIndex(step, row, col, channel)]);
          expect(found.length).toBe(uses[row * horizontal.size + col] * (step.features / step.groups));
        }
  });

  it("knows all that a weight reaches", () => {
    const gradient = kernelGradient(step, x, cotangent);
    for (let row = 0; row < vertical.taps; row++)
      for (let col = 0; col < horizontal.taps; col++)
        for (let channel = 0; channel < step.channels; channel++)
          for (let feature = 0; feature < step.features; feature++) {
            const at = weightIndex(step, row, col, channel, feature);
            const found = links(step, x, kernel, { kind: "weight", row, col, channel, feature });
            if (at < 0) expect(found).toEqual([]);
            else expect(found.reduce((total, link) => total + link.x * cotangent[outputOf(step, link)], 0)).toBe(gradient[at]);
          }
  });

  it("counts the pixels that enter an output", () => {
    const ones = run(step, new Float64Array(x.length).fill(1), new Float64Array(kernel.length).fill(1));
    const perOutput = step.channels / step.groups;
    expect([...outputUses(step)].map((n) => n * perOutput)).toEqual([...ones].filter((_, i) => i % step.features === 0));
  });
});

describe("the transposed convolution", () => {
  const cases = [8, 7].flatMap((size) => ["zeros", "reflect", "replicate", "circular"].map((mode) => [size, mode] as const));
  it.each(cases)("is the transpose of the convolution's matrix: from %i, %s", (size, mode) => {
    const forth = stepOf(`n=${size}&k=3&s=2&p=1&c=2&f=3&mode=${mode}`);
    const back = stepOf(`v=transpose&n=4&k=3&s=2&p=1&c=3&f=2&op=${size - 7}&mode=${mode}`);
    const kernel = numbers(kernelCount(forth), 5); // the very same array for both
    const v = numbers(inputCount(back), 6);
    expect([...run(back, v, kernel)]).toEqual([...inputGradient(forth, kernel, v)]);
  });
});
