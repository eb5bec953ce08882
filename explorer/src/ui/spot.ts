/** The number of the network that is looked at, held within the maps that there are. */

import type { Result, Spot } from "../math/network";
import { set, state } from "./store";

export function spotOf(result: Result): Spot {
  const { block, pass, row, col, channel } = state.value.spot;
  const b = Math.min(block, result.blocks.length - 1);
  const { passes, row: kind } = result.blocks[b];
  const p = pass < passes.length - 1 ? pass : -1; // the last sum is what the block's number explains
  const { stage } = passes[p < 0 ? passes.length - 1 : p];
  const clamp = (n: number, count: number) => Math.max(0, Math.min(count - 1, n));
  return {
    block: b, pass: p, row: clamp(row, stage.axes[0].outputs), col: clamp(col, stage.axes[1].outputs),
    channel: clamp(channel, p < 0 ? kind.features : stage.features),
  };
}

export const look = (spot: Spot): void => set({ spot });
