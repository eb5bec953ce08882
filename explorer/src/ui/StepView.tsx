/** One convolution at work: the padded input, the kernels, the products of this moment, the output. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Target } from "../math/links";
import { by, number, plural } from "./text";
import {
  inputIndex, inputUses, kernelShape, outputIndex, outputUses, weightIndex, type Numbers as Values,
} from "../math/stage";
import type { Step } from "../math/options";
import { range } from "../math/axis";
import { Grid, type CellKind } from "./Grid";
import { marksOf, type Marks } from "./marks";
import { active, activeLinks, cursor, edit, hover, numbers, outputTotal, playing, room, state, steps, togglePin } from "./store";

export interface Handlers {
  onHover: (row: number, col: number) => void;
  onLeave: () => void;
  onPick: (row: number, col: number) => void;
  onType?: (row: number, col: number, value: number) => void;
  at: readonly [number, number] | undefined;
}

/** What the pointer and the keys do in a grid whose cells are targets; null is no target. */
export function handlers(
  step: number,
  target: (row: number, col: number) => Target | null,
  at: readonly [number, number] | undefined,
  editable = false,
): Handlers {
  return {
    onHover: (row, col) => {
      const found = target(row, col);
      hover.value = found && { step, target: found };
    },
    onLeave: () => {
      hover.value = null;
    },
    onPick: (row, col) => {
      const found = target(row, col);
      if (found) togglePin({ step, target: found });
    },
    ...(editable && {
      onType: (row: number, col: number, value: number) => {
        const found = target(row, col);
        if (found) edit(step, found, value);
      },
    }),
    at,
  };
}

/** Large cells for few numbers; in cells below 18 pixels only the shade is drawn. */
export function cellSize(longest: number): number {
  return longest <= 7 ? 38 : longest <= 9 ? 32 : longest <= 12 ? 27 : longest <= 18 ? 18 : longest <= 26 ? 12 : 9;
}

/** The largest cells, of map and kernel, with which a step stands in one row; else the usual ones. */
function fittingSizes(step: Step): { cell: number; small: number; fits: boolean } {
  const [vertical, horizontal] = step.axes;
  const usual = cellSize(Math.max(vertical.line.length, horizontal.line.length));
  const least = usual < 18 ? 8 : 18; // numbers that can be shown are shown
  const sizes = [38, 34, 30, 27, 24, 22, 20, 18, 12, 10, 9, 8].filter((size) => size <= usual && size >= least);
  for (const cell of sizes) {
    const small = Math.max(18, Math.min(cell - 4, 30));
    // No column is narrower than its heading.
    const columns = [
      Math.max(150, horizontal.line.length * cell),
      Math.max(110, step.features * (horizontal.taps * small + 12)),
      Math.max(90, horizontal.taps * small + 70),
      Math.max(150, horizontal.outputs * cell + 14),
    ];
    if (columns.reduce((a, b) => a + b) + 90 <= room.value) return { cell, small, fits: true };
  }
  const small = Math.max(18, Math.min(usual - 4, step.features * horizontal.taps > 16 ? 20 : 30));
  return { cell: usual, small, fits: false };
}

export function useMarks(index: number): Marks {
  return marksOf(steps.value, index, active.value, activeLinks.value);
}

export function StepView({ index }: { index: number }) {
  const step = steps.value[index];
  const marks = useMarks(index);
  const { maps, weights } = numbers.value;
  const { dims } = state.value.options;
  const [vertical, horizontal] = step.axes;
  const { cell, small, fits } = fittingSizes(step);
  const rowHeight = Math.max(vertical.line.length * cell, vertical.taps * small) + 2;
  const size = by([vertical.size, horizontal.size], dims);
  const out = by([vertical.outputs, horizontal.outputs], dims);
  return (
    <div class="step" style={`--row: ${rowHeight}px`}>
      <Column
        name={index ? "Result of step 1" : "Input"}
        size={`${size}, ${plural(step.channels, "channel")}`}
      >
        {range(step.channels).map((channel) => (
          <Line key={channel} step={step} index={index} channel={channel} cell={cell} x={maps[index]} marks={marks} />
        ))}
      </Column>
      <Kernels step={step} index={index} kernel={weights[index]} cell={small} marks={marks} />
      <Products step={step} index={index} cell={small} />
      <Column name={index === steps.value.length - 1 ? "Output" : "Result"} size={`${out}, ${plural(step.features, "channel")}`} flow={fits ? "down" : "across"}>
        {range(step.features).map((feature) => (
          <Output key={feature} step={step} index={index} feature={feature} cell={cell} y={maps[index + 1]} marks={marks} />
        ))}
      </Column>
    </div>
  );
}

export function Column(props: { name: string; size: string; flow?: "down" | "across"; children: JSX.Element[] }) {
  return (
    <div class={`column${props.flow ? ` flow ${props.flow}` : ""}`}>
      <h4>
        {props.name} <small>{props.size}</small>
      </h4>
      <div class="slices">
        {props.children.map((child, i) => (
          <div class="slice" key={i}>
            {props.children.length > 1 && <span class="channel" aria-hidden="true">{i + 1}</span>}
            {child}
          </div>
        ))}
      </div>
    </div>
  );
}

interface LineProps {
  step: Step;
  index: number;
  channel: number;
  cell: number;
  x: Values;
  marks: Marks;
}

/** The line in both axes: the pixels of one channel, with the zeros around and between them. */
export function Line({ step, index, channel, cell, x, marks }: LineProps) {
  const [vertical, horizontal] = step.axes;
  const uses = useMemo(() => inputUses(step), [step]);
  const showUses = state.value.uses;
  const pixel = (row: number, col: number): readonly [number, number] | null => {
    const [y, x] = [vertical.line[row].at, horizontal.line[col].at];
    return y === null || x === null ? null : [y, x];
  };
  const kind = (row: number, col: number): CellKind => {
    const kinds = [vertical.line[row].kind, horizontal.line[col].kind];
    return kinds.includes("padding") ? "padding" : kinds.includes("hole") ? "hole" : "pixel";
  };
  const value = (row: number, col: number) => {
    const at = pixel(row, col);
    if (!at) return 0;
    return showUses ? uses[at[0] * horizontal.size + at[1]] : x[inputIndex(step, at[0], at[1], channel)];
  };
  const target = (row: number, col: number): Target | null => {
    const at = pixel(row, col);
    return at && { kind: "input", row: at[0], col: at[1], channel };
  };
  const now = active.value;
  const [down, across] = [vertical, horizontal].map((axis, i) =>
    axis.line.findIndex((p) => p.kind === "pixel" && p.at === (i ? now.target.col : now.target.row)),
  );
  const here = now.step === index && now.target.kind === "input" && now.target.channel === channel;
  const version = useMemo(() => ({}), [step, x, showUses, channel]);
  return (
    <Grid
      label={`${index ? "Result of the first step" : "Input"}${step.kind === "transpose" ? ", stretched" : ""}, channel ${channel + 1}`}
      tone={index ? "output" : "input"}
      rows={vertical.line.length} cols={horizontal.line.length} cell={cell}
      value={value} kind={kind} version={version}
      marks={marks.line.of(channel)}
      {...handlers(index, target, here ? [down, across] : undefined, index === 0)}
    />
  );
}

interface KernelsProps {
  step: Step;
  index: number;
  kernel: Values;
  cell: number;
  marks: Marks;
  /** As the sliding view of a transposed convolution lays it. */
  turned?: boolean;
}

/** A column for each output channel, with a slice beside each input channel that it reads. */
export function Kernels({ step, index, kernel, cell, marks, turned }: KernelsProps) {
  const { dims } = state.value.options;
  const [kh, kw] = kernelShape(step);
  const feature = active.value.step === index ? activeFeature() : -1;
  const version = useMemo(() => ({}), [step, kernel]);
  const shown = turned ? "turned by 180°" : by([kh, kw], dims);
  const slice = (channel: number, to: number) => {
    const present = weightIndex(step, 0, 0, channel, to) >= 0;
    const tap = (row: number, col: number) => (turned ? [kh - 1 - row, kw - 1 - col] : [row, col]);
    const value = (row: number, col: number) => {
      const [i, j] = tap(row, col);
      return present ? kernel[weightIndex(step, i, j, channel, to)] : 0;
    };
    const target = (row: number, col: number): Target => {
      const [i, j] = tap(row, col);
      return { kind: "weight", row: i, col: j, channel, feature: to };
    };
    const now = active.value;
    const here =
      now.step === index && now.target.kind === "weight" &&
      now.target.channel === channel && now.target.feature === to;
    const label = `${turned ? "Turned kernel" : "Kernel"} ${to + 1}, slice for channel ${channel + 1}`;
    const marked = marks.kernel.of(`${channel}.${to}`).map((mark) => {
      const [row, col] = tap(mark.row, mark.col);
      return { ...mark, row, col };
    });
    if (!present) return <div class="absent" style={{ width: `${kw * cell + 2}px`, height: `${kh * cell + 2}px` }} title="Another group: no weights" />;
    return (
      <Grid
        label={label} tone="kernel" rows={kh} cols={kw} cell={cell} value={value} version={version}
        dim={feature >= 0 && to !== feature} reachable={feature < 0 ? to === 0 : to === feature} marks={marked}
        {...handlers(index, target, here ? tap(now.target.row, now.target.col) as [number, number] : undefined, true)}
      />
    );
  };
  return (
    <div class="column kernels">
      <h4>
        {plural(step.features, "kernel").replace(/^1 k/, "K")} <small>{shown}</small>
      </h4>
      <div class="slices matrix">
        {range(step.channels).map((channel) => (
          <div class="slice" key={channel}>
            {range(step.features).map((to) => (
              <div key={to}>{slice(channel, to)}</div>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

function activeFeature(): number {
  const { target } = active.value;
  return target.kind === "output" ? target.channel : target.kind === "weight" ? target.feature : -1;
}

/** Window times kernel, channel by channel, with the sum of each. */
function Products({ step, index, cell }: { step: Step; index: number; cell: number }) {
  const [kh, kw] = kernelShape(step);
  const now = active.value;
  const mine = now.step === index && now.target.kind === "output";
  const products = mine ? activeLinks.value : [];
  const sums = range(step.channels).map((channel) => {
    const own = products.filter((link) => link.channel === channel);
    return own.length ? own.reduce((sum, link) => sum + link.x * link.weight, 0) : null;
  });
  const slice = (channel: number) => {
    // A tap is used more than once where a folded border adds to the same output.
    const values = new Map<string, { product: number; input: boolean }>();
    for (const link of products.filter((each) => each.channel === channel)) {
      const before = values.get(link.tap.join());
      values.set(link.tap.join(), {
        product: (before?.product ?? 0) + link.x * link.weight, input: Boolean(before?.input || link.input),
      });
    }
    return (
      <>
        <Grid
          label={`Products, channel ${channel + 1}`} tone="product" rows={kh} cols={kw} cell={cell}
          value={(row, col) => {
            return values.get(`${row},${col}`)?.product ?? 0;
          }}
          kind={(row, col) => {
            const found = values.get(`${row},${col}`);
            return !found ? "empty" : found.input ? "pixel" : "padding";
          }}
          version={products}
        />
        <b class="partial">{sums[channel] !== null && `= ${number(sums[channel])}`}</b>
      </>
    );
  };
  return (
    <div class="column products">
      <h4>
        Products
      </h4>
      <div class="slices">
        {range(step.channels).map((channel) => (
          <div class="slice" key={channel}>
            {slice(channel)}
          </div>
        ))}
      </div>
    </div>
  );
}

interface OutputProps {
  step: Step;
  index: number;
  feature: number;
  cell: number;
  y: Values;
  marks: Marks;
}

export function Output({ step, index, feature, cell, y, marks }: OutputProps) {
  const [vertical, horizontal] = step.axes;
  const uses = useMemo(() => outputUses(step), [step]);
  const showUses = state.value.uses && step.kind === "transpose";
  const total = outputTotal.value;
  const now = active.value;
  const here = now.step === index && now.target.kind === "output" && now.target.channel === feature;
  const value = (row: number, col: number) =>
    showUses ? uses[row * horizontal.outputs + col] : y[outputIndex(step, row, col, feature)];
  // While it plays, what is still to come is empty.
  const before = useMemo(
    () => steps.value.slice(0, index).reduce((n, s) => n + s.axes[0].outputs * s.axes[1].outputs * s.features, 0),
    [step, index],
  );
  const start = before + feature * vertical.outputs * horizontal.outputs;
  const done = playing.value ? (cursor.value % total) - start : Infinity;
  const shown = Math.max(-1, Math.min(done, vertical.outputs * horizontal.outputs));
  const version = useMemo(() => ({}), [step, y, showUses, feature]);
  return (
    <div class="stacked">
      <Grid
        label={`${index === steps.value.length - 1 ? "Output" : "Result"}, channel ${feature + 1}`}
        tone="output" rows={vertical.outputs} cols={horizontal.outputs} cell={cell}
        value={value} version={version} marks={marks.output.of(feature)}
        {...handlers(index, (row, col) => ({ kind: "output", row, col, channel: feature }), here ? [now.target.row, now.target.col] : undefined)}
      />
      {playing.value && <Curtain rows={vertical.outputs} cols={horizontal.outputs} cell={cell} shown={shown} />}
    </div>
  );
}

/** Hides what has not been computed yet. */
export function Curtain({ rows, cols, cell, shown }: { rows: number; cols: number; cell: number; shown: number }) {
  const next = shown + 1;
  if (next >= rows * cols) return null;
  const [row, col] = [Math.floor(next / cols), next % cols];
  const [width, height] = [cols * cell + 2, rows * cell + 2];
  return (
    <svg class="curtain" viewBox={`0 0 ${width} ${height}`} style={{ width: `${width}px` }} aria-hidden="true">
      {col > 0 && <rect x={1 + col * cell} y={1 + row * cell} width={(cols - col) * cell} height={cell} />}
      <rect x="0" y={1 + (row + (col > 0 ? 1 : 0)) * cell} width={width} height={Math.max(0, (rows - row - (col > 0 ? 1 : 0)) * cell + 1)} />
    </svg>
  );
}
