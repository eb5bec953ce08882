/** The window and the sum behind a number of the network, and the way back through the layers. */

import { useState } from "preact/hooks";
import { weights } from "../data/load";
import { partsOf, valueAt, type Part, type Result, type Spot } from "../math/network";
import { inputIndex } from "../math/stage";
import { MapGrid } from "./Maps";
import { Grid } from "./Grid";
import { look, spotOf } from "./spot";
import { factor, number } from "./text";

export function Explanation({ result }: { result: Result }) {
  const spot = spotOf(result);
  const [all, showAll] = useState(false);
  const parts = partsOf(result, spot);
  const shown = all ? parts : parts.slice(0, 4);
  const rest = parts.slice(shown.length).reduce((sum, part) => sum + part.sum, 0);
  const sum = parts.reduce((total, part) => total + part.sum, 0);
  return (
    <div class="explanation">
      <div class="map">
        <h3>{titleOf(result, spot)}</h3>
        <MapGrid result={result} spot={spot} />
        <p class="quiet">Click a number, or use the arrow keys.</p>
        <Back result={result} spot={spot} />
      </div>
      <div class="why-number">
        <h3 aria-live="polite">
          Row {spot.row + 1}, column {spot.col + 1} = <span class="result">{three(valueAt(result, spot))}</span>
        </h3>
        <Made result={result} spot={spot} sum={sum} />
        <p>
          The convolution's sum over {parts.length === 1 ? "one channel" : `${parts.length} channels`}, the largest parts first. Click a
          number of a window to go to where it was made.
        </p>
        <div class="parts">
          {shown.map((part) => <PartView key={part.channel} result={result} spot={spot} part={part} />)}
        </div>
        {parts.length > 4 && (
          <p>
            {!all && <>and {parts.length - shown.length} more channels, together {three(rest)}. </>}
            <button type="button" class="plain" onClick={() => showAll(!all)}>{all ? "Show the largest only" : "Show all"}</button>
          </p>
        )}
        {spot.block === 11 && spot.pass < 0 && <Head result={result} channel={spot.channel} />}
      </div>
    </div>
  );
}

const three = (value: number): string => number(Math.round(value * 1000) / 1000);

function titleOf(result: Result, spot: Spot): string {
  const { row } = result.blocks[spot.block];
  const half = spot.pass >= 0 ? ", depthwise half" : "";
  return `Block ${spot.block + 1}, ${row.name}${half}: channel ${spot.channel + 1}`;
}

/** From the sum to the number: ReLU, BatchNorm, and the input again where the block is residual. */
function Made({ result, spot, sum }: { result: Result; spot: Spot; sum: number }) {
  if (spot.pass >= 0) return <p class="made">{three(sum)}: a sum over one channel, before the 1×1 kernels mix.</p>;
  const { slope, shift, row, passes } = result.blocks[spot.block];
  const first = passes[0];
  const residual = row.residual ? first.x[inputIndex(first.stage, spot.row, spot.col, spot.channel)] : null;
  const [a, b] = [slope[spot.channel], shift[spot.channel]];
  const signed = (value: number) => `${value < 0 ? "−" : "+"} ${three(Math.abs(value))}`;
  return (
    <ol class="made">
      <li><b>{three(sum)}</b> is the convolution's sum</li>
      <li><b>{three(Math.max(sum, 0))}</b> after ReLU{sum < 0 && ", which keeps nothing below zero"}</li>
      <li>
        <b>{three(Math.max(sum, 0) * a + b)}</b> after BatchNorm: {three(Math.max(sum, 0))} · {factor(Math.round(a * 1000) / 1000)} {signed(b)}
      </li>
      {residual !== null && (
        <li>
          <b>{three(Math.max(sum, 0) * a + b + residual)}</b> with the block's input, {three(residual)}, added{" "}
          <button type="button" class="plain" onClick={() => look({ ...spot, block: spot.block - 1, pass: -1 })}>go there</button>
        </li>
      )}
    </ol>
  );
}

/** Window, weights and sum of one input channel. */
function PartView({ result, spot, part }: { result: Result; spot: Spot; part: Part }) {
  const { passes } = result.blocks[spot.block];
  const { stage } = passes[spot.pass < 0 ? passes.length - 1 : spot.pass];
  const cols = stage.axes[1].taps;
  const at = (row: number, col: number) => part.products[row * cols + col];
  const source = sourceOf(result, spot);
  const name = spot.block === 0 ? ["red", "green", "blue"][part.channel] : `channel ${part.channel + 1}`;
  const common = { rows: stage.axes[0].taps, cols, cell: 40 };
  return (
    <div class="part">
      <span>{name}</span>
      <Grid
        {...common} label={`Window, ${name}`} tone="input" version={part}
        value={(row, col) => rounded(at(row, col).x)} kind={(row, col) => (at(row, col).input ? "pixel" : "padding")}
        {...(source && {
          onPick: (row: number, col: number) => {
            const { input } = at(row, col);
            if (input) look({ ...source, row: input[0], col: input[1], channel: part.channel });
          },
        })}
      />
      <i aria-hidden="true">·</i>
      <Grid {...common} label={`Weights, ${name}`} tone="kernel" version={part} value={(row, col) => rounded(at(row, col).weight)} />
      <b>= {three(part.sum)}</b>
    </div>
  );
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** Where the numbers of a window were made; null in the image. */
function sourceOf(result: Result, spot: Spot): { block: number; pass: number } | null {
  const { passes } = result.blocks[spot.block];
  if (passes.length === 2 && spot.pass !== 0) return { block: spot.block, pass: 0 };
  return spot.block > 0 ? { block: spot.block - 1, pass: -1 } : null;
}

function Back({ result, spot }: { result: Result; spot: Spot }) {
  const source = sourceOf(result, spot);
  if (!source) return <p>Its windows lie on the image itself.</p>;
  const biggest = partsOf(result, spot)[0];
  const middle = biggest.products.reduce((a, b) => (b.input && Math.abs(b.x * b.weight) > Math.abs(a.x * a.weight) ? b : a));
  const { input } = middle;
  return input ? (
    <button type="button" onClick={() => look({ ...source, row: input[0], col: input[1], channel: biggest.channel })}>
      Back to its largest product
    </button>
  ) : null;
}

/** What the chosen channel's mean adds to each class. */
function Head({ result, channel }: { result: Result; channel: number }) {
  const names = weights().card.class_names;
  return (
    <div class="head">
      <h3>From here to the classes</h3>
      <p>The mean of this map is {three(result.pooled[channel])}. Multiplied by a weight for each class, it is added to that class's logit:</p>
      <ul>
        {names.map((name, k) => {
          const weight = result.head[channel * names.length + k];
          return <li key={name}>{name}: {three(result.pooled[channel])} · {three(weight)} = <b>{three(result.pooled[channel] * weight)}</b></li>;
        })}
      </ul>
    </div>
  );
}
