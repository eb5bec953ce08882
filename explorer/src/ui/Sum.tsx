/** What is active, in words and numbers: a sum written out, or all that a number reaches. */

import { Fragment } from "preact";
import { useState } from "preact/hooks";
import type { Link, Target } from "../math/links";
import { inputIndex, outputIndex, weightIndex } from "../math/stage";
import { active, activeLinks, edit, hover, numbers, pin, set, state, steps } from "./store";
import { factor, number, plural } from "./text";

export function Sum() {
  const { step, target } = active.value;
  const links = activeLinks.value;
  const held = pin.value !== null && JSON.stringify(pin.value) === JSON.stringify(active.value);
  return (
    <section class="sum" aria-label="What is chosen">
      <header>
        <h3>
          {title(step, target)} <span class="equals">=</span> <output class="result">{number(valueOf(step, target))}</output>
        </h3>
        <span class="pinned">
          {held ? (
            <>
              <b>Pinned.</b>{" "}
              <button type="button" class="plain" onClick={() => set({ pin: null })}>Let go</button>
            </>
          ) : (
            "Click a cell to pin it."
          )}
        </span>
      </header>
      {target.kind === "output" ? <Written links={links} /> : <Reached step={step} target={target} links={links} />}
      <p class="visually-hidden" aria-live="polite">{held || hover.value ? `${title(step, target)} is ${number(valueOf(step, target))}` : ""}</p>
    </section>
  );
}

function place({ row, col }: { row: number; col: number }): string {
  return state.value.options.dims === 1 ? `place ${col + 1}` : `row ${row + 1}, column ${col + 1}`;
}

function title(index: number, target: Target): string {
  const step = steps.value[index];
  const many = (n: number, word: string, at: number) => (n > 1 ? `, ${word} ${at + 1}` : "");
  const last = index === steps.value.length - 1;
  if (target.kind === "output") {
    const name = last ? "Output" : `${step.title} result`;
    return `${name} ${place(target)}${many(step.features, "channel", target.channel)}`;
  }
  if (target.kind === "input") {
    const name = index ? `${steps.value[0].title} result` : "Input";
    return `${name} ${place(target)}${many(step.channels, "channel", target.channel)}`;
  }
  return `Weight ${place(target)} from channel ${target.channel + 1} to ${target.feature + 1}`;
}

function valueOf(index: number, target: Target): number {
  const step = steps.value[index];
  const { maps, weights } = numbers.value;
  const { row, col, channel } = target;
  if (target.kind === "output") return maps[index + 1][outputIndex(step, row, col, channel)];
  if (target.kind === "input") return maps[index][inputIndex(step, row, col, channel)];
  return weights[index][weightIndex(step, row, col, channel, target.feature)];
}

/** The products of each channel in a line, then the sum of the lines. */
function Written({ links }: { links: readonly Link[] }) {
  if (!links.length) return <p>No product falls here, so it is 0.</p>;
  const channels = [...new Set(links.map((link) => link.channel))];
  const partial = (channel: number) =>
    links.filter((l) => l.channel === channel).reduce((sum, l) => sum + l.x * l.weight, 0);
  return (
    <div class="written">
      {channels.map((channel) => (
        <p key={channel}>
          {channels.length > 1 && <span class="channel-name">channel {channel + 1}: </span>}
          {links.filter((l) => l.channel === channel).map((link, i) => (
            <Fragment key={i}>
              {i > 0 && " + "}
              <span class={`term${link.input ? "" : " zero"}`}>
                <i class="x">{factor(link.x)}</i>·<i class="w">{factor(link.weight)}</i>
              </span>
            </Fragment>
          ))}{" "}
          = <b>{number(partial(channel))}</b>
        </p>
      ))}
      {channels.length > 1 && (
        <p class="total">
          {channels.map((channel) => factor(partial(channel))).join(" + ")} ={" "}
          <b>{number(channels.reduce((sum, channel) => sum + partial(channel), 0))}</b>
        </p>
      )}
    </div>
  );
}

/** A box for one number. While somebody types, the text is theirs: "-0" and "1.0" are on their way. */
function Changed({ step, target }: { step: number; target: Target }) {
  const [text, setText] = useState<string | null>(null);
  return (
    <input type="number" step="any" value={text ?? valueOf(step, target)} aria-label="Change this number"
      onFocus={() => {
        if (!pin.value) set({ pin: { step, target } });
      }}
      onInput={(event) => {
        setText(event.currentTarget.value);
        const value = event.currentTarget.valueAsNumber;
        if (Number.isFinite(value)) edit(step, target, value);
      }}
      onBlur={() => setText(null)} />
  );
}

function Reached({ step, target, links }: { step: number; target: Target; links: readonly Link[] }) {
  const outputs = new Set(links.map((link) => `${link.output.join()},${link.feature}`)).size;
  const editable = target.kind === "weight" || step === 0;
  const y = numbers.value.maps[step + 1];
  const stage = steps.value[step];
  return (
    <div class="written">
      <p>
        {target.kind === "weight"
          ? `This weight is used ${plural(links.length, "time")}, in ${plural(outputs, "output")}: the same number wherever the kernel lies.`
          : `This number enters ${plural(outputs, "output")}, in ${plural(links.length, "product")}.`}
        {links.length === 0 && " The stride skips it, so no output reads it."}
      </p>
      {editable && (
        <label class="change">
          Change it{" "}
          <Changed step={step} target={target} />
          {" "}<small>or type digits on the cell</small>
        </label>
      )}
      <ul class="reached">
        {links.slice(0, 24).map((link, i) => (
          <li key={i}>
            {place({ row: link.output[0], col: link.output[1] })}{stage.features > 1 ? `, channel ${link.feature + 1}` : ""}:{" "}
            <i class="x">{factor(link.x)}</i>·<i class="w">{factor(link.weight)}</i> of{" "}
            <b>{number(y[outputIndex(stage, link.output[0], link.output[1], link.feature)])}</b>
          </li>
        ))}
        {links.length > 24 && <li>and {links.length - 24} more</li>}
      </ul>
    </div>
  );
}
