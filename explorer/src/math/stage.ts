/** One convolution or transposed convolution on numbers: forward, backward, and product by product. */

import type { Axis } from "./axis";

export type Pair = readonly [number, number];

/** Maps are channels last, [h, w, c]; a kernel is [kh, kw, c_in/groups, c_out], or for a transposed
 * convolution [kh, kw, c_out/groups, c_in], as in jaxconv. */
export interface Stage {
  readonly kind: "conv" | "transpose";
  readonly axes: readonly [Axis, Axis];
  readonly channels: number;
  readonly features: number;
  readonly groups: number;
}

export type Numbers = ArrayLike<number>;

export const kernelShape = (s: Stage): readonly [number, number, number, number] => [
  s.axes[0].taps,
  s.axes[1].taps,
  ...(s.kind === "conv"
    ? ([s.channels / s.groups, s.features] as const)
    : ([s.features / s.groups, s.channels] as const)),
];

export const kernelCount = (s: Stage): number => kernelShape(s).reduce((a, b) => a * b, 1);
export const inputCount = (s: Stage): number => s.axes[0].size * s.axes[1].size * s.channels;
export const outputCount = (s: Stage): number =>
  s.axes[0].outputs * s.axes[1].outputs * s.features;

export const inputIndex = (s: Stage, row: number, col: number, channel: number): number =>
  (row * s.axes[1].size + col) * s.channels + channel;
export const outputIndex = (s: Stage, row: number, col: number, feature: number): number =>
  (row * s.axes[1].outputs + col) * s.features + feature;

/** Where the weight lies that joins a channel to a feature; -1 where their groups differ. */
export function weightIndex(
  s: Stage,
  i: number,
  j: number,
  channel: number,
  feature: number,
): number {
  const perIn = s.channels / s.groups;
  const perOut = s.features / s.groups;
  if (Math.floor(channel / perIn) !== Math.floor(feature / perOut)) return -1;
  const tap = i * s.axes[1].taps + j;
  return s.kind === "conv"
    ? (tap * perIn + (channel % perIn)) * s.features + feature
    : (tap * perOut + (feature % perOut)) * s.channels + channel;
}

/** Calls `visit` for every product: which input, weight and output meet. Zeros are left out. */
function eachProduct(
  s: Stage,
  visit: (input: number, weight: number, output: number) => void,
): void {
  const [vertical, horizontal] = s.axes;
  const perIn = s.channels / s.groups;
  const perOut = s.features / s.groups;
  for (let row = 0; row < vertical.outputs; row++) {
    for (const down of vertical.reads[row]) {
      const y = vertical.line[down.place].at;
      if (y === null) continue;
      for (let col = 0; col < horizontal.outputs; col++) {
        for (const across of horizontal.reads[col]) {
          const x = horizontal.line[across.place].at;
          if (x === null) continue;
          const tap = down.tap * horizontal.taps + across.tap;
          const from = (y * horizontal.size + x) * s.channels;
          const to = (row * horizontal.outputs + col) * s.features;
          for (let feature = 0; feature < s.features; feature++) {
            const group = Math.floor(feature / perOut);
            for (let within = 0; within < perIn; within++) {
              const channel = group * perIn + within;
              const weight =
                s.kind === "conv"
                  ? (tap * perIn + within) * s.features + feature
                  : (tap * perOut + (feature % perOut)) * s.channels + channel;
              visit(from + channel, weight, to + feature);
            }
          }
        }
      }
    }
  }
}

export function run(s: Stage, x: Numbers, kernel: Numbers): Float64Array {
  const y = new Float64Array(outputCount(s));
  eachProduct(s, (input, weight, output) => {
    y[output] += x[input] * kernel[weight];
  });
  return y;
}

/** The gradient of sum(run(x, kernel) * cotangent) with respect to x: what each input reaches. */
export function inputGradient(s: Stage, kernel: Numbers, cotangent: Numbers): Float64Array {
  const gradient = new Float64Array(inputCount(s));
  eachProduct(s, (input, weight, output) => {
    gradient[input] += kernel[weight] * cotangent[output];
  });
  return gradient;
}

/** The same with respect to the kernel: what each weight reaches. */
export function kernelGradient(s: Stage, x: Numbers, cotangent: Numbers): Float64Array {
  const gradient = new Float64Array(kernelCount(s));
  eachProduct(s, (input, weight, output) => {
    gradient[weight] += x[input] * cotangent[output];
  });
  return gradient;
}

/** How many products each input enters, [h, w], within one pair of channels. */
export function inputUses(s: Stage): Int32Array {
  const uses = new Int32Array(s.axes[0].size * s.axes[1].size);
  const counts = s.axes.map((axis) => {
    const count = new Int32Array(axis.size);
    for (const reads of axis.reads)
      for (const read of reads) {
        const at = axis.line[read.place].at;
        if (at !== null) count[at]++;
      }
    return count;
  });
  for (let row = 0; row < s.axes[0].size; row++)
    for (let col = 0; col < s.axes[1].size; col++)
      uses[row * s.axes[1].size + col] = counts[0][row] * counts[1][col];
  return uses;
}

/** How many pixels (not zeros) enter each output, [h', w'], within one pair of channels. */
export function outputUses(s: Stage): Int32Array {
  const counts = s.axes.map((axis) =>
    axis.reads.map((reads) => reads.filter((read) => axis.line[read.place].at !== null).length),
  );
  const width = s.axes[1].outputs;
  const uses = new Int32Array(s.axes[0].outputs * width);
  for (let row = 0; row < s.axes[0].outputs; row++)
    for (let col = 0; col < width; col++) uses[row * width + col] = counts[0][row] * counts[1][col];
  return uses;
}

/** The convolution as a matrix on the flattened map: entry (output, input), with the weights whose
 * products join the two. Both are flattened channel by channel, [c, h, w]. */
export interface Entry {
  readonly output: number;
  readonly input: number;
  readonly weights: number[];
}

export function matrix(s: Stage): { rows: number; columns: number; entries: Entry[] } {
  const rows = outputCount(s);
  const columns = inputCount(s);
  const found = new Map<number, Entry>();
  eachProduct(s, (input, weight, output) => {
    const row = planar(output, s.features, rows);
    const column = planar(input, s.channels, columns);
    const key = row * columns + column;
    const entry = found.get(key);
    if (entry) entry.weights.push(weight);
    else found.set(key, { output: row, input: column, weights: [weight] });
  });
  return { rows, columns, entries: [...found.values()] };
}

/** From the index of [h, w, c] to that of [c, h, w]. */
export function planar(index: number, channels: number, count: number): number {
  return (index % channels) * (count / channels) + Math.floor(index / channels);
}
