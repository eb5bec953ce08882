/** Every block's maps, as small pictures, and the chosen one as numbers. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { ROWS, type Result, type Spot } from "../math/network";
import { Grid } from "./Grid";
import { look, spotOf } from "./spot";
import { dark, narrow } from "./store";

export function Maps({ result }: { result: Result }) {
  const spot = spotOf(result);
  return (
    <div class="maps">
      <h3>What every block makes of it</h3>
      <p class="quiet">A row for each block, a picture for each channel. Green is above, purple below zero. Click one to see its numbers.</p>
      <div class="strips">
        {ROWS.map((row, b) => (
          <Strip key={b} result={result} block={b} name={row.name} residual={row.residual ?? false} chosen={spot.block === b ? spot.channel : -1} />
        ))}
      </div>
    </div>
  );
}

interface StripProps {
  result: Result;
  block: number;
  name: string;
  residual: boolean;
  chosen: number;
}

/** All channels of a block on one canvas; the chosen one is framed. */
function Strip({ result, block, name, residual, chosen }: StripProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { y, size, row } = result.blocks[block];
  const channels = row.features;
  const columns = narrow.value ? 16 : channels;
  const rows = Math.ceil(channels / columns);
  const tile = Math.min(32, Math.floor((narrow.value ? 350 : 1060) / columns));
  const gap = tile > 20 ? 2 : 1;
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    const ratio = Math.min(2, devicePixelRatio || 1);
    canvas.current!.width = columns * tile * ratio;
    canvas.current!.height = rows * tile * ratio;
    context.imageSmoothingEnabled = false;
    context.scale(ratio, ratio);
    const small = document.createElement("canvas");
    [small.width, small.height] = [size[1], size[0]];
    const pen = small.getContext("2d")!;
    for (let channel = 0; channel < channels; channel++) {
      pen.putImageData(shade(y, channels, channel, size), 0, 0);
      const [left, top] = [(channel % columns) * tile, Math.floor(channel / columns) * tile];
      context.drawImage(small, left + 1, top + 1, tile - gap, tile - gap);
      if (channel === chosen) {
        context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--blue");
        context.lineWidth = 3;
        context.strokeRect(left + 1.5, top + 1.5, tile - gap - 1, tile - gap - 1);
      }
    }
  }, [result, chosen, dark.value, columns]);
  const choose = (channel: number) => {
    const [row, col] = size.map((n) => n >> 1);
    if (channel >= 0 && channel < channels) look({ block, pass: -1, row, col, channel });
  };
  return (
    <div class={`strip${chosen >= 0 ? " on" : ""}`}>
      <span>
        <b>{block + 1}</b> {name}{residual && " + input"} <small>{size[0]}×{size[1]}×{channels}</small>
      </span>
      <canvas
        ref={canvas} tabIndex={0} role="application" aria-label={`Block ${block + 1}, ${channels} maps. ${chosen >= 0 ? `Channel ${chosen + 1} is chosen. ` : ""}Arrow keys choose a channel.`}
        style={{ width: `${columns * tile}px`, aspectRatio: `${columns} / ${rows}` }}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const col = Math.floor(((event.clientX - box.left) / box.width) * columns);
          const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
          choose(row * columns + col);
        }}
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Enter: 0 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          choose(Math.max(0, Math.min(channels - 1, (chosen < 0 ? 0 : chosen) + by)));
        }}
      />
    </div>
  );
}

/** Green above zero, purple below, by the channel's own largest value. */
function shade(y: Float32Array, channels: number, channel: number, [height, width]: readonly [number, number]): ImageData {
  const image = new ImageData(width, height);
  let most = 1e-9;
  for (let at = channel; at < y.length; at += channels) most = Math.max(most, Math.abs(y[at]));
  const paper = dark.value ? [28, 34, 43] : [250, 250, 248];
  for (let place = 0; place < height * width; place++) {
    const value = y[place * channels + channel] / most;
    const ink = value < 0 ? (dark.value ? [201, 125, 189] : [150, 60, 138]) : dark.value ? [90, 220, 178] : [0, 118, 90];
    const mix = Math.abs(value) ** 0.8;
    image.data.set([...paper.map((p, i) => p + (ink[i] - p) * mix), 255], 4 * place);
  }
  return image;
}

/** The chosen map as a grid of numbers. */
export function MapGrid({ result, spot }: { result: Result; spot: Spot }) {
  const { passes, y, size } = result.blocks[spot.block];
  const inner = spot.pass >= 0;
  const pass = passes[inner ? spot.pass : passes.length - 1];
  const [values, channels] = inner ? [pass.y, pass.stage.features] : [y, result.blocks[spot.block].row.features];
  const [height, width] = inner ? pass.stage.axes.map((axis) => axis.outputs) : size;
  const version = useMemo(() => ({}), [result, spot.block, spot.pass, spot.channel]);
  const cell = width > 20 ? 11 : width > 10 ? 22 : width > 4 ? 40 : 52;
  const at = (row: number, col: number) => look({ ...spot, row, col });
  return (
    <Grid
      label={`Block ${spot.block + 1}, channel ${spot.channel + 1}${inner ? ", between its halves" : ""}`} tone="output" rows={height} cols={width} cell={cell}
      value={(row, col) => Math.round(values[(row * width + col) * channels + spot.channel] * 100) / 100} version={version}
      marks={[{ row: spot.row, col: spot.col, look: "chosen" }]} at={[spot.row, spot.col]} onPick={at} onKeyMove={at}
    />
  );
}
