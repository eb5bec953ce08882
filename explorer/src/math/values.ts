/** The numbers of a picture: a preset fills a map or a kernel, and edits change single numbers. */

import { kernelShape, type Stage } from "./stage";

export const INPUTS = {
  digits: "Small numbers",
  ramp: "Ramp",
  edge: "Edge",
  checker: "Checkerboard",
  dot: "One dot",
  ones: "Ones",
  image: "Own image",
} as const;
export type InputPreset = keyof typeof INPUTS;

export const KERNELS = {
  digits: "Small numbers",
  count: "1, 2, 3, …",
  edge: "Edge",
  blur: "Blur",
  identity: "Identity",
  ones: "Ones",
} as const;
export type KernelPreset = keyof typeof KERNELS;

/** A preset, and the numbers changed by hand: "row.col.channel" or "row.col.in.out" to value. */
export interface Source<Preset extends string> {
  readonly preset: Preset;
  readonly edits: Readonly<Record<string, number>>;
}

/** An image of a person's own: RGB bytes, [32, 32, 3]. */
export const IMAGE_SIDE = 32;
export type Image = ArrayLike<number>;

export function imageText(image: Image): string {
  const letters = Array.from(image, (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replace(/\+/g, "-").replace(/\//g, "_");
}

/** What `imageText` wrote; null where the text is something else. */
export function readImage(text: string): Uint8Array | null {
  if (!/^[\w-]{4096}$/.test(text)) return null;
  const letters = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

/** [h, w, c] of the input of `step`. */
export function inputValues(
  step: Stage,
  source: Source<InputPreset>,
  image: Image | null,
): Float64Array {
  const [height, width] = [step.axes[0].size, step.axes[1].size];
  const values = new Float64Array(height * width * step.channels);
  const random = generator(1);
  let at = 0;
  for (let row = 0; row < height; row++)
    for (let col = 0; col < width; col++)
      for (let channel = 0; channel < step.channels; channel++, at++) {
        const edited = source.edits[`${row}.${col}.${channel}`];
        const preset = inputPreset(source.preset, { row, col, channel, height, width, random }, step, image);
        values[at] = edited ?? preset;
      }
  return values;
}

interface Spot {
  row: number;
  col: number;
  channel: number;
  height: number;
  width: number;
  random: () => number;
}

function inputPreset(preset: InputPreset, spot: Spot, step: Stage, image: Image | null): number {
  const { row, col, channel, height, width, random } = spot;
  switch (preset) {
    case "digits":
      return 1 + Math.floor(4 * random()); // none is zero: a zero in the picture is one of padding
    case "ramp":
      return col + (height > 1 ? row : 0) + channel;
    case "edge":
      return (channel % 2 && height > 1 ? row >= height / 2 : col >= width / 2) ? 9 : 0;
    case "checker":
      return (row + col + channel) % 2 ? 0 : 1;
    case "dot":
      return row === height >> 1 && col === width >> 1 ? 1 : 0;
    case "ones":
      return 1;
    case "image":
      return image ? pixel(image, spot, step.channels) : 0;
  }
}

/** The mean of the image under a cell, 0 to 9; gray unless there are three channels. */
function pixel(image: Image, { row, col, channel, height, width }: Spot, channels: number): number {
  const bounds = (index: number, count: number) => {
    const start = Math.floor((index * IMAGE_SIDE) / count);
    return [start, Math.max(start + 1, Math.floor(((index + 1) * IMAGE_SIDE) / count))];
  };
  const [top, bottom] = bounds(row, height);
  const [left, right] = bounds(col, width);
  let sum = 0;
  let count = 0;
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++)
      for (let colour = 0; colour < 3; colour++) {
        if (channels === 3 && colour !== channel) continue;
        sum += image[(y * IMAGE_SIDE + x) * 3 + colour];
        count++;
      }
  return Math.round((9 * sum) / (255 * count));
}

/** The kernel of `step` in its own layout; `which` keeps the kernels of two steps apart. */
export function kernelValues(step: Stage, source: Source<KernelPreset>, which: number): Float64Array {
  const [kh, kw, a, b] = kernelShape(step);
  const values = new Float64Array(kh * kw * a * b);
  const random = generator(2 + which);
  let at = 0;
  for (let i = 0; i < kh; i++)
    for (let j = 0; j < kw; j++)
      for (let from = 0; from < a; from++)
        for (let to = 0; to < b; to++, at++) {
          const edited = source.edits[`${i}.${j}.${from}.${to}`];
          const preset = kernelPreset(source.preset, { i, j, kh, kw, from, to, random });
          values[at] = edited ?? preset;
        }
  return values;
}

interface Tap {
  i: number;
  j: number;
  kh: number;
  kw: number;
  from: number;
  to: number;
  random: () => number;
}

function kernelPreset(preset: KernelPreset, { i, j, kh, kw, from, to, random }: Tap): number {
  switch (preset) {
    case "digits":
      return [-1, 1, 2][Math.floor(3 * random())];
    case "count":
      return i * kw + j + 1;
    case "edge":
      // Sobel's for 3x3; every second kernel finds the other direction.
      return to % 2 && kh > 1 ? slope(i, kh) * binomial(j, kw) : slope(j, kw) * binomial(i, kh);
    case "blur":
      return binomial(i, kh) * binomial(j, kw);
    case "identity":
      return i === kh >> 1 && j === kw >> 1 && (from === to || from === 0) ? 1 : 0;
    case "ones":
      return 1;
  }
}

const slope = (at: number, count: number): number =>
  count === 1 ? 1 : Math.sign(2 * at - (count - 1));

function binomial(at: number, count: number): number {
  let value = 1;
  for (let k = 1; k <= at; k++) value = (value * (count - k)) / k;
  return Math.round(value);
}

/** Small uniform numbers, the same at every visit (mulberry32). */
function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
