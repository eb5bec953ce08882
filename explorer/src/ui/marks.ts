/** Which cells of a step to mark, for what is active in it or in its neighbour. */

import { links, type Link, type Target } from "../math/links";
import type { Step } from "../math/options";
import type { Mark } from "./Grid";
import { short } from "./text";

export interface Marks {
  /** On the line that the kernel slides over, by channel. */
  readonly line: Marked;
  /** On the input itself, by channel. */
  readonly input: Marked;
  /** By "channel.feature". */
  readonly kernel: Marked;
  readonly output: Marked;
}

class Marked {
  private readonly found = new Map<string | number, Map<string, Mark>>();

  add(slice: string | number, mark: Mark): void {
    const cells = this.found.get(slice) ?? new Map<string, Mark>();
    const place = `${mark.row}.${mark.col}`;
    if (!cells.has(place)) cells.set(place, mark);
    this.found.set(slice, cells);
  }

  of(slice: string | number): Mark[] {
    return [...(this.found.get(slice)?.values() ?? [])];
  }
}

const blank = (): Marks => ({
  line: new Marked(), input: new Marked(), kernel: new Marked(), output: new Marked(),
});

type Look = Mark["look"];

export function marksOf(
  steps: readonly Step[],
  index: number,
  active: { step: number; target: Target },
  products: readonly Link[],
): Marks {
  const marks = blank();
  if (index === active.step) own(marks, steps[index], active.target, products);
  else if (index === active.step + 1) later(marks, steps[index], active.target, products);
  else if (index === active.step - 1) earlier(marks, steps[index], active.target, products);
  return marks;
}

function own(marks: Marks, step: Step, target: Target, products: readonly Link[]): void {
  const { row, col, channel } = target;
  if (target.kind === "output") marks.output.add(channel, { row, col, look: "chosen" });
  if (target.kind === "input") markPixel(marks, step, row, col, channel, "chosen");
  if (target.kind === "weight")
    marks.kernel.add(`${channel}.${target.feature}`, { row, col, look: "chosen" });
  const look: Look = target.kind === "output" ? "window" : "reach";
  for (const link of products) {
    const tag = target.kind === "weight" ? undefined : short(link.weight);
    const [placeRow, placeCol] = link.place;
    const [tapRow, tapCol] = link.tap;
    const [outRow, outCol] = link.output;
    const onInput: Look = target.kind === "input" ? "seen" : "window";
    marks.line.add(link.channel, {
      row: placeRow, col: placeCol, look: onInput, tag: target.kind === "output" ? tag : undefined,
    });
    if (link.input)
      marks.input.add(link.channel, {
        row: link.input[0], col: link.input[1], look: onInput, tag: target.kind === "output" ? tag : undefined,
      });
    if (target.kind !== "output" || link.input)
      marks.kernel.add(`${link.channel}.${link.feature}`, { row: tapRow, col: tapCol, look });
    marks.output.add(link.feature, { row: outRow, col: outCol, look, tag });
  }
}

/** The step behind the active one: where what was reached goes on to. */
function later(marks: Marks, step: Step, target: Target, products: readonly Link[]): void {
  const from: [number, number, number][] =
    target.kind === "output"
      ? [[target.row, target.col, target.channel]]
      : products.map((link) => [link.output[0], link.output[1], link.feature]);
  const nothing = new Float64Array(0);
  for (const [row, col, channel] of distinct(from)) {
    markPixel(marks, step, row, col, channel, target.kind === "output" ? "chosen" : "reach");
    for (const link of links(step, nothing, nothing, { kind: "input", row, col, channel }))
      marks.output.add(link.feature, { row: link.output[0], col: link.output[1], look: "seen" });
  }
}

/** The step before the active one: what the numbers read there were made of. */
function earlier(marks: Marks, step: Step, target: Target, products: readonly Link[]): void {
  const into: [number, number, number][] =
    target.kind === "input"
      ? [[target.row, target.col, target.channel]]
      : products.flatMap((link): [number, number, number][] =>
          link.input ? [[link.input[0], link.input[1], link.channel]] : [],
        );
  const nothing = new Float64Array(0);
  for (const [row, col, channel] of distinct(into)) {
    marks.output.add(channel, { row, col, look: target.kind === "input" ? "chosen" : "window" });
    for (const link of links(step, nothing, nothing, { kind: "output", row, col, channel }))
      if (link.input) markPixel(marks, step, link.input[0], link.input[1], link.channel, "seen");
  }
}

function markPixel(marks: Marks, step: Step, row: number, col: number, channel: number, look: Look) {
  marks.input.add(channel, { row, col, look });
  const [down, across] = step.axes.map((axis, i) =>
    axis.line.findIndex((place) => place.kind === "pixel" && place.at === (i ? col : row)),
  );
  if (down >= 0 && across >= 0) marks.line.add(channel, { row: down, col: across, look });
}

function distinct(cells: [number, number, number][]): [number, number, number][] {
  return [...new Map(cells.map((cell) => [cell.join(), cell])).values()];
}
