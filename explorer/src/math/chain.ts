/** A stack of layers along one axis: sizes, jumps, receptive fields, and which pixels are read. */

import { convAxis, convSize, effectiveKernel, transposeAxis, transposeSize, type Axis } from "./axis";

export interface Layer {
  readonly kind: "conv" | "depthwise" | "transpose";
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  /** Channels out; a depthwise layer has as many as come in. */
  readonly features: number;
}

export interface Chain {
  readonly size: number;
  readonly channels: number;
  readonly layers: readonly Layer[];
}

/** Numerator and denominator. */
export type Fraction = readonly [number, number];

function reduced([over, under]: Fraction): Fraction {
  let [a, b] = [over, under];
  while (b) [a, b] = [b, a % b];
  return [over / a, under / a];
}

export interface ChainRow {
  readonly layer: Layer;
  /** Of the map that the layer makes. */
  readonly size: number;
  readonly jump: Fraction;
  readonly field: number;
  readonly weights: number;
  readonly multiplyAdds: number;
  readonly axis: Axis;
}

export const LAYER: Layer = { kind: "conv", kernel: 3, stride: 1, padding: 1, dilation: 1, features: 16 };

const three = (dilation: number, stride = 1, features = 16): Layer => ({
  ...LAYER, dilation, stride, padding: dilation, features,
});
const s9 = (features: number, shrink = false): Layer =>
  shrink ? { ...LAYER, stride: 2, dilation: 2, features } : { ...LAYER, features };
const deconv: Layer = { kind: "transpose", kernel: 4, stride: 2, padding: 1, dilation: 1, features: 16 };

export const CHAINS: Record<string, Chain> = {
  "Three 3×3": { size: 16, channels: 3, layers: [three(1), three(1), three(1)] },
  "Dilated 1, 2, 4": { size: 24, channels: 3, layers: [three(1), three(2), three(4)] },
  "Dilated 2, 2, 2": { size: 24, channels: 3, layers: [three(2), three(2), three(2)] },
  "Strided": { size: 32, channels: 3, layers: [three(1, 2), three(1, 2), three(1, 2)] },
  "Down and up": { size: 16, channels: 3, layers: [three(1, 2), three(1, 2), deconv, deconv] },
  "S9Net": {
    size: 32, channels: 3,
    layers: [
      s9(32), { ...s9(32), kind: "depthwise" }, { ...LAYER, kernel: 1, features: 32 }, s9(32, true), s9(40), s9(40),
      s9(40, true), s9(40), s9(40), s9(40, true), s9(64), s9(64), s9(64),
    ],
  },
};

export const CHAIN_DEFAULT = CHAINS["Three 3×3"];

/** Rows until the first layer that leaves nothing, and why it does. */
export function chainRows(chain: Chain): { rows: ChainRow[]; problem: string | null } {
  const rows: ChainRow[] = [];
  let { size, channels } = chain;
  let jump: Fraction = [1, 1];
  for (const layer of chain.layers) {
    const options = { size, ...layer, low: layer.padding, high: layer.padding, outputPadding: 0 };
    const grows = layer.kind === "transpose";
    const next = grows ? transposeSize(options) : convSize(options);
    if (next < 1 || next > 512) {
      const text = next < 1 ? `leaves nothing of ${size} pixels` : "would make more than 512 pixels";
      return { rows, problem: `Layer ${rows.length + 1} ${text}.` };
    }
    const axis = (grows ? transposeAxis : convAxis)({ ...options, mode: "zeros" });
    const places = grows ? size * size : next * next;
    const alone = layer.kind === "depthwise";
    const weights = layer.kernel ** 2 * channels * (alone ? 1 : layer.features);
    jump = reduced(grows ? [jump[0], jump[1] * layer.stride] : [jump[0] * layer.stride, jump[1]]);
    const field = fieldOf([...rows.map((row) => row.layer), layer]);
    rows.push({ layer, size: next, jump, field, weights, multiplyAdds: weights * places, axis });
    size = next;
    if (!alone) channels = layer.features;
  }
  return { rows, problem: null };
}

/** The pixels, from first to last, between which a number of the last map reads: the most over all
 * phases, as behind a transposed convolution not every number sees the same. */
export function fieldOf(layers: readonly Layer[]): number {
  const phases = layers.reduce((n, l) => (l.kind === "transpose" ? n * l.stride : n), 1);
  let most = 0;
  for (let output = 0; output < Math.min(phases, 4096); output++) {
    let [first, last] = [output, output];
    for (const { kind, kernel, stride, padding, dilation } of [...layers].reverse()) {
      [first, last] =
        kind === "transpose"
          ? spread(first + padding, last + padding, kernel, stride, dilation)
          : [first * stride - padding, last * stride - padding + effectiveKernel(kernel, dilation) - 1];
    }
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** The first and last pixel whose spread, every `stride` pixels and `dilation` from tap to tap, meets
 * the places from `first` to `last`; where taps fall between pixels, fewer than the reach holds. */
export function spread(
  first: number, last: number, kernel: number, stride: number, dilation: number,
): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let tap = 0; tap < kernel; tap++) {
    const from = Math.ceil((first - tap * dilation) / stride);
    const to = Math.floor((last - tap * dilation) / stride);
    if (from <= to) [low, high] = [Math.min(low, from), Math.max(high, to)];
  }
  return [low, high];
}

/** For the map under each layer, the pixels that `output` of the last one depends on. */
export function dependence(rows: readonly ChainRow[], output: number): Set<number>[] {
  const seen: Set<number>[] = [new Set([output])];
  for (let i = rows.length - 1; i >= 0; i--) {
    const { axis } = rows[i];
    const below = new Set<number>();
    for (const above of seen[0])
      for (const read of axis.reads[above] ?? []) {
        const at = axis.line[read.place].at;
        if (at !== null) below.add(at);
      }
    seen.unshift(below);
  }
  return seen;
}

export function formatChain(chain: Chain): string {
  const layers = chain.layers.map(
    (l) => `${l.kind[0]}${[l.kernel, l.stride, l.padding, l.dilation, l.features].join(".")}`,
  );
  return [`${chain.size}.${chain.channels}`, ...layers].join("_");
}

const KINDS: Record<string, Layer["kind"]> = { c: "conv", d: "depthwise", t: "transpose" };

export function parseChain(text: string): Chain | null {
  const [head, ...tail] = text.split("_");
  const start = /^(\d{1,3})\.(\d{1,3})$/.exec(head);
  if (!start || Number(start[1]) < 1 || Number(start[2]) < 1 || tail.length > 40) return null;
  const layers: Layer[] = [];
  for (const piece of tail) {
    const found = /^([cdt])(\d{1,2})\.(\d{1,2})\.(\d{1,2})\.(\d{1,2})\.(\d{1,4})$/.exec(piece);
    if (!found) return null;
    const [kernel, stride, padding, dilation, features] = found.slice(2).map(Number);
    if (Math.min(kernel, stride, dilation, features) < 1) return null;
    layers.push({ kind: KINDS[found[1]], kernel, stride, padding, dilation, features });
  }
  return { size: Number(start[1]), channels: Number(start[2]), layers };
}
