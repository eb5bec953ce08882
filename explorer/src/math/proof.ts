/** Replays the stored PyTorch cases: outputs, and gradients, which are the reverse views. */

import { readNpz } from "./npz";
import { DEFAULTS, plan, type Options, type Step, type Variant } from "./options";
import { PythonRandom } from "./random";
import { inputGradient, kernelGradient, run, type Pair } from "./stage";

export interface StoredCase {
  readonly number: number;
  readonly seed: string;
  readonly function: string;
  readonly x: number[];
  readonly kernels: number[][];
  readonly options: Record<string, number | number[] | string>;
  readonly outputShape: number[];
  readonly expected: Float32Array;
}

export interface Verdict {
  readonly agrees: boolean;
  /** The largest difference, relative to the largest value of its array. */
  readonly difference: number;
  readonly numbers: number;
  readonly reason: string;
}

/** PyTorch's float64 results are stored as float32: this is sixteen times what that rounds. */
export const TOLERANCE = 1e-6;

const VARIANT_OF: Record<string, Variant> = {
  conv: "standard",
  pointwise_conv: "pointwise",
  depthwise_conv: "depthwise",
  depthwise_separable_conv: "depthwise_separable",
  dilated_conv: "dilated",
  spatially_separable_conv: "spatially_separable",
  transpose_conv: "transpose",
};

/** The cases of an .npz file; their inputs are drawn from "`seed` NUMBER x" and so on. */
export async function readCases(bytes: Uint8Array, seed: string): Promise<StoredCase[]> {
  const { cases, output_shapes: shapes, values } = await readNpz(bytes);
  const list = JSON.parse(cases.data as string) as Omit<StoredCase, "number">[];
  const all = values.data as Float32Array;
  let at = 0;
  return list.map((stored, number) => {
    const outputShape = [...(shapes.data as Int16Array).subarray(4 * number, 4 * number + 4)];
    const sizes = [outputShape, stored.x, ...stored.kernels].map(product);
    const expected = all.subarray(at, (at += sizes.reduce((a, b) => a + b, 0)));
    return { ...stored, number, seed, outputShape, expected };
  });
}

export function caseOptions(stored: StoredCase): Options {
  const variant = VARIANT_OF[stored.function];
  const pair = (name: string, usual: number): Pair => {
    const value = stored.options[name] ?? usual;
    return typeof value === "number" ? [value, value] : (value as unknown as Pair);
  };
  const padding = stored.options.padding;
  const [first, second = first] = stored.kernels;
  const channels = stored.x[3];
  const groups = (stored.options.groups as number | undefined) ?? 1;
  // One kernel is one factor: then there is one axis of space, the last.
  const line = variant === "spatially_separable" && stored.kernels.length === 1;
  return {
    ...DEFAULTS[variant],
    dims: line ? 1 : 2,
    size: [stored.x[1], stored.x[2]],
    kernel: [Math.max(first[0], second[0]), Math.max(first[1], second[1])],
    stride: pair("stride", 1),
    padding: padding === "same" || padding === "valid" ? padding : pair("padding", 0),
    dilation: pair("dilation", variant === "dilated" ? 2 : 1),
    outputPadding: pair("output_padding", 0),
    pointwisePadding: pair("pointwise_padding", 0),
    channels,
    features: variant === "transpose" ? first[2] * groups : second[3],
    multiplier: Math.max(1, first[3] / channels),
    middle: first[3],
    groups,
    mode: (stored.options.padding_mode as Options["mode"] | undefined) ?? "zeros",
  };
}

export function replay(stored: StoredCase): Verdict {
  const { steps, problems } = plan(caseOptions(stored), { anySize: true });
  const fail = (reason: string): Verdict => ({ agrees: false, difference: Infinity, numbers: 0, reason });
  if (!steps.length) return fail(problems.map((problem) => problem.text).join(" "));
  const last = steps[steps.length - 1];
  const shape = [stored.x[0], last.axes[0].outputs, last.axes[1].outputs, last.features];
  if (shape.join() !== stored.outputShape.join())
    return fail(`the output is ${shape.join("x")}, PyTorch's ${stored.outputShape.join("x")}`);
  const name = `${stored.seed} ${stored.number}`;
  const x = draw(`${name} x`, product(stored.x));
  const kernels = stored.kernels.map((k, i) => draw(`${name} kernel ${i}`, product(k)));
  const cotangent = draw(`${name} cotangent`, product(stored.outputShape));
  const computed = compute(steps, stored.x[0], x, kernels, cotangent);
  let at = 0;
  let worst = 0;
  for (const ours of computed) {
    worst = Math.max(worst, difference(ours, stored.expected.subarray(at, at + ours.length)));
    at += ours.length;
  }
  return { agrees: worst <= TOLERANCE, difference: worst, numbers: at, reason: "values differ" };
}

/** [outputs, gradient of x, gradient of each kernel] over a batch. */
function compute(
  steps: readonly Step[],
  batch: number,
  x: Float64Array,
  kernels: Float64Array[],
  cotangent: Float64Array,
): Float64Array[] {
  const outputs = new Float64Array(cotangent.length);
  const inputs = new Float64Array(x.length);
  const weights = kernels.map((kernel) => new Float64Array(kernel.length));
  for (let example = 0; example < batch; example++) {
    const share = (all: Float64Array) => {
      const size = all.length / batch;
      return all.subarray(example * size, (example + 1) * size);
    };
    const maps = [share(x)];
    steps.forEach((step, i) => maps.push(run(step, maps[i], kernels[i])));
    share(outputs).set(maps[steps.length]);
    let flow: Float64Array = share(cotangent);
    for (let i = steps.length - 1; i >= 0; i--) {
      kernelGradient(steps[i], maps[i], flow).forEach((value, at) => (weights[i][at] += value));
      flow = inputGradient(steps[i], kernels[i], flow);
    }
    share(inputs).set(flow);
  }
  return [outputs, inputs, ...weights];
}

/** float32 numbers, uniform in [-1, 1), as the program that asked PyTorch drew them. */
export function draw(seed: string, count: number): Float64Array {
  const source = new PythonRandom(seed);
  return Float64Array.from({ length: count }, () => Math.fround(-1 + 2 * source.random()));
}

function difference(ours: Float64Array, theirs: Float32Array): number {
  let apart = 0;
  let largest = 1e-30;
  for (let i = 0; i < ours.length; i++) {
    apart = Math.max(apart, Math.abs(ours[i] - theirs[i]));
    largest = Math.max(largest, Math.abs(theirs[i]));
  }
  return apart / largest;
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
