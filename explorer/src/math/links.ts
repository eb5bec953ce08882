/** Product by product: all that meet in an output, or that start from an input or a weight. */

import { inputIndex, outputIndex, weightIndex, type Numbers, type Stage } from "./stage";

export interface Cell {
  readonly row: number;
  readonly col: number;
  readonly channel: number;
}

export type Target =
  | ({ readonly kind: "output" } & Cell)
  | ({ readonly kind: "input" } & Cell)
  | {
      readonly kind: "weight";
      readonly row: number;
      readonly col: number;
      readonly channel: number;
      readonly feature: number;
    };

/** One product. `place` is where the kernel meets the line; `input` is null for a zero. */
export interface Link {
  readonly place: readonly [number, number];
  readonly input: readonly [number, number] | null;
  readonly channel: number;
  readonly tap: readonly [number, number];
  readonly output: readonly [number, number];
  readonly feature: number;
  readonly x: number;
  readonly weight: number;
}

export function links(s: Stage, x: Numbers, kernel: Numbers, target: Target): Link[] {
  const found: Link[] = [];
  const [vertical, horizontal] = s.axes;
  const rows = target.kind === "output" ? [target.row] : vertical.reads.keys();
  for (const row of rows) {
    for (const down of vertical.reads[row] ?? []) {
      const y = vertical.line[down.place].at;
      if (target.kind === "input" && y !== target.row) continue;
      if (target.kind === "weight" && down.tap !== target.row) continue;
      const columns = target.kind === "output" ? [target.col] : horizontal.reads.keys();
      for (const col of columns) {
        for (const across of horizontal.reads[col] ?? []) {
          const at = horizontal.line[across.place].at;
          if (target.kind === "input" && at !== target.col) continue;
          if (target.kind === "weight" && across.tap !== target.col) continue;
          const input = y === null || at === null ? null : ([y, at] as const);
          for (const [channel, feature] of channelPairs(s, target)) {
            const weight = weightIndex(s, down.tap, across.tap, channel, feature);
            if (weight < 0) continue;
            found.push({
              place: [down.place, across.place],
              input,
              channel,
              tap: [down.tap, across.tap],
              output: [row, col],
              feature,
              x: input ? x[inputIndex(s, input[0], input[1], channel)] : 0,
              weight: kernel[weight],
            });
          }
        }
      }
    }
  }
  if (target.kind === "output") found.sort((a, b) => a.channel - b.channel); // stable: taps in order
  return found;
}

function channelPairs(s: Stage, target: Target): [number, number][] {
  if (target.kind === "weight") return [[target.channel, target.feature]];
  return target.kind === "output"
    ? Array.from({ length: s.channels }, (_, channel) => [channel, target.channel])
    : Array.from({ length: s.features }, (_, feature) => [target.channel, feature]);
}

export const outputOf = (s: Stage, link: Link): number =>
  outputIndex(s, link.output[0], link.output[1], link.feature);
