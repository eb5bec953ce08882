/** Both ways to say what a transposed convolution computes, on the same numbers, side by side. */

import { useMemo } from "preact/hooks";
import { range, source, transposeAxis, transposeSize, convSize } from "../math/axis";
import type { Target } from "../math/links";
import type { Step } from "../math/options";
import { inputIndex, run, type Stage } from "../math/stage";
import { Grid } from "./Grid";
import { cellSize, Column, handlers, Kernels, Line, Output, useMarks } from "./StepView";
import { active, numbers, state, steps } from "./store";
import { by, plural } from "./text";

export function TransposeView() {
  const step = steps.value[0];
  const marks = useMarks(0);
  const { maps, weights } = numbers.value;
  const { dims } = state.value.options;
  const [vertical, horizontal] = step.axes;
  const canvas = useMemo(() => uncropped(step), [step]);
  const longest = Math.max(canvas.axes[0].outputs, canvas.axes[1].outputs, vertical.line.length, horizontal.line.length);
  const cell = Math.min(30, cellSize(longest));
  const small = Math.min(cell < 20 ? 20 : cell, 26);
  const size = by([vertical.size, horizontal.size], dims);
  const out = by([vertical.outputs, horizontal.outputs], dims);
  return (
    <div class="views">
      <section class="view" aria-labelledby="painting">
        <h3 id="painting">Painting: each input paints the kernel</h3>
        <p>
          Every input number paints the kernel, times itself, into the output,{" "}
          {apart(step, dims)} apart. Where paint overlaps, it adds up.{" "}
          {crops(step) && border(step)}
          {extra(step) && "Output padding adds the last rows and columns."}
        </p>
        <div class="step loose">
          <Column name="Input" size={`${size}, ${plural(step.channels, "channel")}`}>
            {range(step.channels).map((channel) => (
              <Plain key={channel} step={step} channel={channel} cell={cell} />
            ))}
          </Column>
          <Kernels step={step} index={0} kernel={weights[0]} cell={small} marks={marks} />
          <Column name="Painted" size={`${by([canvas.axes[0].outputs, canvas.axes[1].outputs], dims)}, ${folds(step) ? "folded" : "cropped"} to ${out}`} flow="down">
            {range(step.features).map((feature) => (
              <Canvas key={feature} step={step} canvas={canvas} feature={feature} cell={cell} />
            ))}
          </Column>
        </div>
      </section>
      <section class="view" aria-labelledby="sliding">
        <h3 id="sliding">Sliding: the turned kernel over the stretched input</h3>
        <p>
          Put {zeros(step)} between the pixels and around them, turn the kernel by 180°, and slide it
          one place at a time. The sums are the same.
          {crops(step) && folds(step) && " What falls into the border is added inside, as on the left."}
        </p>
        <div class="step loose">
          <Column name="Stretched" size={by([vertical.line.length, horizontal.line.length], dims)}>
            {range(step.channels).map((channel) => (
              <Line key={channel} step={step} index={0} channel={channel} cell={cell} x={maps[0]} marks={marks} />
            ))}
          </Column>
          <Kernels step={step} index={0} kernel={weights[0]} cell={small} marks={marks} turned />
          <Column name="Output" size={`${out}, ${plural(step.features, "channel")}`} flow="down">
            {range(step.features).map((feature) => (
              <Output key={feature} step={step} index={0} feature={feature} cell={cell} y={maps[1]} marks={marks} />
            ))}
          </Column>
        </div>
      </section>
      <TwoSizes step={step} />
    </div>
  );
}

const crops = (step: Step): boolean => step.options.padding.flat().some((n) => n > 0);
const folds = (step: Step): boolean => step.options.mode !== "zeros";
const border = (step: Step): string =>
  folds(step)
    ? `The striped border is then folded in: each of its numbers is added to the one that “${step.options.mode}” padding would copy to its place. `
    : "Padding then crops the striped border away. ";
const extra = (step: Step): boolean => step.options.outputPadding.some((n) => n > 0);

function apart(step: Step, dims: 1 | 2): string {
  const [down, across] = step.options.stride;
  return dims === 1 || down === across ? plural(across, "place") : `${down} down and ${across} across`;
}

function zeros(step: Step): string {
  const holes = step.options.stride.map((stride) => stride - 1);
  const most = Math.max(...holes);
  return most ? plural(most, "zero") : "no zeros";
}

/** The same stage before padding has cropped it. */
function uncropped(step: Step): Stage {
  const axis = (a: 0 | 1) =>
    transposeAxis({
      size: step.axes[a].size, kernel: step.options.kernel[a], stride: step.options.stride[a], low: 0, high: 0,
      mode: "zeros", outputPadding: step.options.outputPadding[a], dilation: step.options.dilation[a],
    });
  return { ...step, axes: [axis(0), axis(1)] };
}

function Plain({ step, channel, cell }: { step: Step; channel: number; cell: number }) {
  const marks = useMarks(0);
  const x = numbers.value.maps[0];
  const version = useMemo(() => ({}), [step, x, channel]);
  const now = active.value;
  const here = now.target.kind === "input" && now.target.channel === channel;
  const target = (row: number, col: number): Target => ({ kind: "input", row, col, channel });
  return (
    <Grid
      label={`Input, channel ${channel + 1}`} tone="input"
      rows={step.axes[0].size} cols={step.axes[1].size} cell={cell}
      value={(row, col) => x[inputIndex(step, row, col, channel)]} version={version}
      marks={marks.input.of(channel)}
      {...handlers(0, target, here ? [now.target.row, now.target.col] : undefined, true)}
    />
  );
}

/** All that was painted; what padding crops is striped. */
function Canvas({ step, canvas, feature, cell }: { step: Step; canvas: Stage; feature: number; cell: number }) {
  const marks = useMarks(0);
  const { maps, weights } = numbers.value;
  const painted = useMemo(() => run(canvas, maps[0], weights[0]), [canvas, maps, weights]);
  const [top, left] = [step.options.padding[0][0], step.options.padding[1][0]];
  const [vertical, horizontal] = step.axes;
  // The output that a painted place goes to; null where it is cropped away.
  const { mode } = step.options;
  const into = (row: number, col: number): readonly [number, number] | null => {
    const [y, x] = [source(row - top, vertical.outputs, mode), source(col - left, horizontal.outputs, mode)];
    return y === null || x === null ? null : [y, x];
  };
  const inside = (row: number, col: number) =>
    row >= top && row < top + vertical.outputs && col >= left && col < left + horizontal.outputs;
  const version = useMemo(() => ({}), [canvas, painted, feature]);
  const now = active.value;
  const here = now.target.kind === "output" && now.target.channel === feature;
  const cols = canvas.axes[1].outputs;
  const shifted = footprint(step, canvas, feature) ?? marks.output.of(feature).flatMap((m) => {
    const rows = range(canvas.axes[0].outputs).filter((row) => source(row - top, vertical.outputs, mode) === m.row);
    const columns = range(cols).filter((col) => source(col - left, horizontal.outputs, mode) === m.col);
    return rows.flatMap((row) => columns.map((col) => ({ ...m, row, col })));
  });
  return (
    <Grid
      label={`Painted, channel ${feature + 1}`} tone="output" rows={canvas.axes[0].outputs} cols={cols} cell={cell}
      value={(row, col) => painted[(row * cols + col) * canvas.features + feature]}
      kind={(row, col) => (inside(row, col) ? "pixel" : "cropped")}
      version={version} marks={shifted} frame={[top, left, vertical.outputs, horizontal.outputs]}
      {...handlers(
        0,
        (row, col) => {
          const found = into(row, col);
          return found && { kind: "output", row: found[0], col: found[1], channel: feature };
        },
        here ? [now.target.row + top, now.target.col + left] : undefined,
      )}
    />
  );
}

/** All that an input cell paints, what is cropped included; null where no input is active. */
function footprint(step: Step, canvas: Stage, feature: number) {
  const { target } = active.value;
  if (target.kind !== "input") return null;
  const perIn = step.channels / step.groups;
  const perOut = step.features / step.groups;
  if (Math.floor(target.channel / perIn) !== Math.floor(feature / perOut)) return [];
  const lines = canvas.axes.map((axis, i) => {
    const at = i ? target.col : target.row;
    return axis.reads.flatMap((reads, output) =>
      reads.some((read) => axis.line[read.place].at === at) ? [output] : [],
    );
  });
  return lines[0].flatMap((row) => lines[1].map((col) => ({ row, col, look: "reach" as const })));
}

/** Why output padding exists: the sizes that the convolution with these options maps to this one. */
function TwoSizes({ step }: { step: Step }) {
  const { stride, dilation, kernel, padding, outputPadding } = step.options;
  const axis = 1;
  const size = step.axes[axis].size;
  const [low, high] = padding[axis];
  const options = { kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis] };
  const smallest = transposeSize({ ...options, size, low, high, outputPadding: 0 });
  const candidates = range(stride[axis]).map((add) => smallest + add).filter((n) => n > 0);
  const chosen = smallest + outputPadding[axis];
  const fits = candidates.filter((n) => convSize({ ...options, size: n, low, high }) === size);
  if (!fits.length) return null;
  return (
    <section class="view twosizes" aria-labelledby="twosizes">
      <h3 id="twosizes">What output_padding chooses</h3>
      <p>
        {fits.length > 1
          ? `A convolution with these options maps ${listed(fits)} pixels to the same ${size}. Going back, ${size} alone does not say which one is meant: output_padding does.`
          : `With stride 1 only ${fits[0]} pixels become ${size}, so there is nothing to choose: output_padding belongs at 0. Set the stride to 2 to see two sizes that become one.`}
      </p>
      <ul class="sizes">
        {fits.map((n) => (
          <li class={n === chosen ? "chosen" : ""} key={n}>
            <Dots count={n} tone="output" />
            <span>
              <b>{n}</b> → {size} → <b>{n}</b> with output_padding {n - smallest}
              {n === chosen && " (chosen)"}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const listed = (numbers: number[]): string =>
  numbers.length < 2 ? String(numbers[0]) : `${numbers.slice(0, -1).join(", ")} and ${numbers[numbers.length - 1]}`;

function Dots({ count, tone }: { count: number; tone: string }) {
  return (
    <svg class={`dots ${tone}`} viewBox={`0 0 ${count * 12} 10`} style={{ width: `${count * 12}px` }} aria-hidden="true">
      {range(count).map((i) => (
        <rect key={i} x={i * 12} y="0" width="10" height="10" />
      ))}
    </svg>
  );
}
