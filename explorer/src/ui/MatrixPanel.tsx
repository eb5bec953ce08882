/** The same convolution as one sparse matrix on the flattened map. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { inputCount, inputIndex, matrix, outputCount, outputIndex, planar, type Entry } from "../math/stage";
import { active, activeLinks, dark, hover, numbers, set, state, steps } from "./store";
import { Choice } from "./Controls";
import { count, number, short } from "./text";

const MOST = 1600;

export function MatrixPanel() {
  const [wanted, want] = useState(0);
  const index = Math.min(wanted, steps.value.length - 1);
  const step = steps.value[index];
  const [rows, columns] = [outputCount(step), inputCount(step)];
  const turned = state.value.transposed;
  const large = Math.max(rows, columns) > MOST;
  const found = useMemo(() => (large ? null : matrix(step)), [step, large]);
  return (
    <div class="matrix-panel">
      <div class="choices">
        {steps.value.length > 1 && (
          <Choice name="matrix-step" value={String(index)} values={steps.value.map((s, i) => [String(i), s.title] as const)} onPick={(value) => want(Number(value))} />
        )}
        <Choice
          name="turned" value={turned ? "1" : "0"} onPick={(value) => set({ transposed: value === "1" })}
          values={[["0", step.kind === "conv" ? "The convolution" : "The transposed convolution"], ["1", "Its transpose"]]}
        />
      </div>
      <p>
        Flatten the input, channel after channel, to a column of {count(columns)} numbers: then the convolution is a matrix with{" "}
        {count(rows)} rows, one for each output.
        {found && (
          <> {count(found.entries.length)} of {count(rows * columns)} entries hold a weight ({((100 * found.entries.length) / (rows * columns)).toFixed(1)} %), and there are only{" "}
          {count(numbers.value.weights[index].length)} different weights.</>
        )}{" "}
        {turned
          ? `Turned over its diagonal, the matrix goes the other way: it is the ${step.kind === "conv" ? "transposed convolution" : "convolution"} with the very same kernel and options, from ${count(rows)} numbers to ${count(columns)}.`
          : "Point at an entry: it joins one input to one output."}
      </p>
      {found ? (
        <Drawing step={index} entries={found.entries} rows={rows} columns={columns} turned={turned} />
      ) : (
        <p>This matrix has {count(rows)} by {count(columns)} entries. The page draws up to {count(MOST)} on a side: make the maps smaller.</p>
      )}
    </div>
  );
}

interface DrawingProps {
  step: number;
  entries: readonly Entry[];
  rows: number;
  columns: number;
  turned: boolean;
}

function Drawing({ step, entries, rows, columns, turned }: DrawingProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [down, across] = turned ? [columns, rows] : [rows, columns];
  const cell = Math.max(1, Math.min(24, Math.floor(900 / Math.max(across, down * 1.4))));
  const stage = steps.value[step];
  const kernel = numbers.value.weights[step];
  const at = useMemo(() => new Map(entries.map((e) => [e.output * columns + e.input, e])), [entries, columns]);
  const now = active.value;
  const links = activeLinks.value;
  const here = now.step === step;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const element = canvas.current!;
    element.width = across * cell * ratio;
    element.height = down * cell * ratio;
    context.scale(ratio, ratio);
    const colours = getComputedStyle(document.documentElement);
    const colour = (name: string) => colours.getPropertyValue(`--${name}`).trim();
    const joined = new Set(
      here ? links.filter((l) => l.input).map((l) =>
        planar(outputIndex(stage, l.output[0], l.output[1], l.feature), stage.features, rows) * columns +
        planar(inputIndex(stage, l.input![0], l.input![1], l.channel), stage.channels, columns)) : [],
    );
    context.fillStyle = colour("zero");
    context.fillRect(0, 0, across * cell, down * cell);
    let most = 1e-9; // not by Math.max(...): there may be a million entries
    for (const entry of entries) most = Math.max(most, Math.abs(sum(entry, kernel)));
    const gap = cell > 4 ? 1 : 0;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${Math.floor(cell * 0.55)}px system-ui, sans-serif`;
    for (const entry of entries) {
      const value = sum(entry, kernel);
      const [x, y] = turned ? [entry.output, entry.input] : [entry.input, entry.output];
      const on = joined.has(entry.output * columns + entry.input);
      context.fillStyle = on ? colour("green") : value < 0 ? colour("below") : colour("orange");
      context.globalAlpha = on ? 1 : 0.25 + (0.6 * Math.abs(value)) / most;
      context.fillRect(x * cell, y * cell, cell - gap, cell - gap);
      context.globalAlpha = 1;
      if (cell >= 16) {
        context.fillStyle = on ? colour("on") : colour("ink");
        context.fillText(short(value), x * cell + cell / 2, y * cell + cell / 2);
      }
    }
  }, [entries, turned, kernel, links, here, cell, dark.value]);
  const place = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const col = Math.floor(((event.clientX - box.left) / box.width) * across);
    const row = Math.floor(((event.clientY - box.top) / box.height) * down);
    const [output, input] = turned ? [col, row] : [row, col];
    const entry = at.get(output * columns + input);
    if (!entry) return;
    const place = output % (rows / stage.features);
    const width = stage.axes[1].outputs;
    hover.value = {
      step,
      target: {
        kind: "output", row: Math.floor(place / width), col: place % width, channel: Math.floor(output / (rows / stage.features)),
      },
    };
  };
  const density = `${rows} by ${columns}, ${entries.length} entries not zero`;
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Matrix">
      <canvas
        ref={canvas} style={{ width: `${across * cell}px`, height: `${down * cell}px` }} role="img"
        aria-label={`Sparse matrix, ${density}. The chosen output's row is marked.`}
        onPointerMove={place} onPointerLeave={() => (hover.value = null)}
      />
      <p class="visually-hidden">{here && now.target.kind === "output" ? `${links.length} entries in the chosen row, summing to ${number(links.reduce((t, l) => t + l.x * l.weight, 0))}` : ""}</p>
    </div>
  );
}

const sum = (entry: Entry, kernel: ArrayLike<number>): number =>
  entry.weights.reduce((total, weight) => total + kernel[weight], 0);
