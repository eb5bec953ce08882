/** S9Net in evaluation: every map of every block, and what each number of them is made of. */

import { convAxis, type Axis } from "./axis";
import type { Card, Tensor } from "./packing";
import { inputIndex, outputIndex, weightIndex, type Pair, type Stage } from "./stage";

/** One row of the network's table; 3x3, padding 1, no bias. */
interface Row {
  readonly name: string;
  readonly features: number;
  readonly shrink?: boolean;
  readonly separable?: boolean;
  readonly residual?: boolean;
}

export const ROWS: readonly Row[] = [
  { name: "standard", features: 32 },
  { name: "depthwise separable", features: 32, separable: true },
  { name: "dilated, stride 2", features: 32, shrink: true },
  { name: "standard", features: 40 },
  { name: "standard", features: 40, residual: true },
  { name: "dilated, stride 2", features: 40, shrink: true },
  { name: "standard", features: 40 },
  { name: "standard", features: 40, residual: true },
  { name: "dilated, stride 2", features: 40, shrink: true },
  { name: "standard", features: 64 },
  { name: "standard", features: 64, residual: true },
  { name: "standard", features: 64 },
];

/** A convolution with its numbers. */
export interface Pass {
  readonly stage: Stage;
  readonly kernel: Float32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
}

export interface Block {
  readonly row: Row;
  /** One convolution, or the two halves of the separable one. */
  readonly passes: readonly Pass[];
  /** BatchNorm after ReLU: y = max(sum, 0)·slope + shift, by channel. */
  readonly slope: Float32Array;
  readonly shift: Float32Array;
  readonly y: Float32Array;
  readonly size: Pair;
}

export interface Result {
  readonly image: Float32Array;
  readonly blocks: readonly Block[];
  readonly pooled: Float32Array;
  readonly head: Float32Array;
  readonly logits: Float32Array;
  readonly probabilities: Float32Array;
}

export const SIDE = 32;

/** From bytes [32, 32, 3]. */
export function normaliseImage(bytes: ArrayLike<number>, card: Card): Float32Array {
  return Float32Array.from({ length: bytes.length }, (_, i) => (bytes[i] / 255 - card.mean[i % 3]) / card.std[i % 3]);
}

export function runNetwork(image: Float32Array, tensors: Record<string, Tensor>): Result {
  let x = image;
  let size: Pair = [SIDE, SIDE];
  let channels = 3;
  const blocks = ROWS.map((row, i) => {
    const name = `block${i + 1}`;
    const kernel = (half: string) => tensors[`params/${name}/conv/${half}kernel`].data;
    const one = { kernel: 3, stride: row.shrink ? 2 : 1, padding: 1, dilation: row.shrink ? 2 : 1 };
    const passes: Pass[] = [];
    const add = (options: typeof one, features: number, groups: number, weights: Float32Array) => {
      const from = passes[passes.length - 1];
      const input = from ? from.y : x;
      const at: Pair = from ? [from.stage.axes[0].outputs, from.stage.axes[1].outputs] : size;
      const stage = conv(at, from ? from.stage.features : channels, features, groups, options);
      passes.push({ stage, kernel: weights, x: input, y: convolve(stage, input, weights) });
    };
    if (row.separable) {
      add(one, channels, channels, kernel("depthwise/"));
      add({ kernel: 1, stride: 1, padding: 1, dilation: 1 }, row.features, 1, kernel("pointwise/"));
    } else add(one, row.features, 1, kernel(""));
    const last = passes[passes.length - 1];
    const { slope, shift } = batchNorm(name, tensors);
    const y = last.y.map((sum, at) => {
      const channel = at % row.features;
      return Math.max(sum, 0) * slope[channel] + shift[channel] + (row.residual ? x[at] : 0);
    });
    const block: Block = {
      row, passes, slope, shift, y, size: [last.stage.axes[0].outputs, last.stage.axes[1].outputs],
    };
    [x, size, channels] = [y, block.size, row.features];
    return block;
  });
  const pooled = new Float32Array(channels);
  x.forEach((value, at) => (pooled[at % channels] += value));
  pooled.forEach((sum, i) => (pooled[i] = sum / (size[0] * size[1])));
  const head = tensors["params/head/kernel"].data;
  const classes = head.length / channels;
  const logits = Float32Array.from({ length: classes }, (_, k) =>
    pooled.reduce((sum, value, channel) => sum + value * head[channel * classes + k], 0),
  );
  return { image, blocks, pooled, head, logits, probabilities: softmax(logits) };
}

function conv(size: Pair, channels: number, features: number, groups: number, o: { kernel: number; stride: number; padding: number; dilation: number }): Stage {
  const axis = (a: 0 | 1): Axis =>
    convAxis({ size: size[a], kernel: o.kernel, stride: o.stride, low: o.padding, high: o.padding, dilation: o.dilation, mode: "zeros" });
  return { kind: "conv", axes: [axis(0), axis(1)], channels, features, groups };
}

/** `run` of stage.ts for one group or for depthwise, with its loops in the order of memory. */
function convolve(s: Stage, x: Float32Array, kernel: Float32Array): Float32Array {
  const [vertical, horizontal] = s.axes;
  const { channels, features } = s;
  const alone = s.groups > 1;
  const y = new Float32Array(vertical.outputs * horizontal.outputs * features);
  const sums = new Float64Array(features);
  for (let row = 0; row < vertical.outputs; row++)
    for (let col = 0; col < horizontal.outputs; col++) {
      sums.fill(0);
      for (const down of vertical.reads[row]) {
        const top = vertical.line[down.place].at;
        if (top === null) continue;
        for (const across of horizontal.reads[col]) {
          const left = horizontal.line[across.place].at;
          if (left === null) continue;
          const from = (top * horizontal.size + left) * channels;
          const tap = down.tap * horizontal.taps + across.tap;
          if (alone) for (let c = 0; c < features; c++) sums[c] += x[from + c] * kernel[tap * features + c];
          else
            for (let c = 0; c < channels; c++) {
              const value = x[from + c];
              const base = (tap * channels + c) * features;
              for (let f = 0; f < features; f++) sums[f] += value * kernel[base + f];
            }
        }
      }
      y.set(sums, (row * horizontal.outputs + col) * features);
    }
  return y;
}

const EPSILON = 1e-5;

function batchNorm(block: string, tensors: Record<string, Tensor>) {
  const get = (kind: string, name: string) => tensors[`${kind}/${block}/norm/${name}`].data;
  const [scale, bias] = [get("params", "scale"), get("params", "bias")];
  const [mean, variance] = [get("batch_stats", "mean"), get("batch_stats", "var")];
  const slope = scale.map((value, i) => value / Math.sqrt(variance[i] + EPSILON));
  return { slope, shift: bias.map((value, i) => value - mean[i] * slope[i]) };
}

function softmax(logits: Float32Array): Float32Array {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** A number in the network: pass -1 is what the block hands on, 0 or 1 the sum of a convolution. */
export interface Spot {
  readonly block: number;
  readonly pass: number;
  readonly row: number;
  readonly col: number;
  readonly channel: number;
}

/** One input channel's part of a sum: the window, the weights, and what they add up to. */
export interface Part {
  readonly channel: number;
  readonly sum: number;
  readonly products: readonly {
    readonly input: Pair | null;
    readonly x: number;
    readonly weight: number;
  }[];
}

/** The parts of the sum behind a number, the largest first. */
export function partsOf(result: Result, spot: Spot): Part[] {
  const { passes } = result.blocks[spot.block];
  const { stage, kernel, x } = passes[spot.pass < 0 ? passes.length - 1 : spot.pass];
  const [vertical, horizontal] = stage.axes;
  const parts: Part[] = [];
  for (let channel = 0; channel < stage.channels; channel++) {
    if (weightIndex(stage, 0, 0, channel, spot.channel) < 0) continue;
    const products = vertical.reads[spot.row].flatMap((down) =>
      horizontal.reads[spot.col].map((across) => {
        const [top, left] = [vertical.line[down.place].at, horizontal.line[across.place].at];
        const input: Pair | null = top === null || left === null ? null : [top, left];
        return {
          input,
          x: input ? x[inputIndex(stage, input[0], input[1], channel)] : 0,
          weight: kernel[weightIndex(stage, down.tap, across.tap, channel, spot.channel)],
        };
      }),
    );
    parts.push({ channel, products, sum: products.reduce((sum, p) => sum + p.x * p.weight, 0) });
  }
  return parts.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
}

export function valueAt(result: Result, spot: Spot): number {
  const block = result.blocks[spot.block];
  const { stage, y } = block.passes[spot.pass < 0 ? block.passes.length - 1 : spot.pass];
  const at = outputIndex(stage, spot.row, spot.col, spot.channel);
  return spot.pass < 0 ? block.y[at] : y[at];
}

/** From first to last, the image pixels of each axis that a number depends on. */
export function fieldOf(result: Result, spot: Spot): readonly [Pair, Pair] {
  const bounds = ([0, 1] as const).map((axis): Pair => {
    let places = new Set([axis === 0 ? spot.row : spot.col]);
    for (let b = spot.block; b >= 0; b--) {
      const { passes } = result.blocks[b];
      const last = b === spot.block && spot.pass >= 0 ? spot.pass : passes.length - 1;
      for (let p = last; p >= 0; p--) {
        const { line, reads } = passes[p].stage.axes[axis];
        const below = new Set<number>();
        for (const place of places)
          for (const read of reads[place]) {
            const at = line[read.place].at;
            if (at !== null) below.add(at);
          }
        places = below;
      }
    }
    return places.size ? [Math.min(...places), Math.max(...places)] : [0, -1];
  });
  return [bounds[0], bounds[1]];
}

