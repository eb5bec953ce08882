/** The six convolutions: options, picture, player, sum, and what follows from the options. */

import { NAMES } from "../math/options";
import { Controls, VariantPicker } from "./Controls";
import { Panels } from "./Panels";
import { QUESTIONS } from "./questions";
import { StepView } from "./StepView";
import { go, planned, refused, set, state, steps } from "./store";
import { Sum } from "./Sum";
import { TransposeView } from "./TransposeView";
import { Transport } from "./Transport";
import { Headline } from "./Headline";

export function Explore() {
  return (
    <>
      <VariantPicker />
      <Questions />
      <div class="layout">
        <Controls />
        <div class="stage">
          <Headline />
          {refused.value && <Refused />}
          {planned.value.beyond && <p class="beyond" role="status">{planned.value.beyond}</p>}
          <div id="picture" class={`picture${refused.value ? " stale" : ""}`}>
            {state.value.options.variant === "transpose" ? <TransposeView /> : <Steps />}
          </div>
          <Legend />
          <div class="dock">
            <Transport />
            <Sum />
          </div>
        </div>
      </div>
      <Panels />
    </>
  );
}

function Steps() {
  return (
    <>
      {steps.value.map((step, i) => (
        <section key={`${state.value.options.variant}${i}`} class="stepbox">
          {step.title && <h3>Step {i + 1}: {step.title.toLowerCase()}</h3>}
          <StepView index={i} />
        </section>
      ))}
    </>
  );
}

function Refused() {
  const { problems } = planned.value;
  return (
    <p class="refusal" role="status">
      <b>{problems.every((p) => p.limit) ? "This page doesn't draw this." : "PyTorch and jaxconv refuse this."}</b>{" "}
      {problems.map((p) => `${NAMES[p.field]}: ${p.text}`).join(" ")} The picture still shows the last case that fits.
    </p>
  );
}

function Questions() {
  const { note } = state.value;
  const open = QUESTIONS.find((question) => question.key === note);
  return (
    <section class="questions" aria-label="Questions to try">
      <span class="try">Try</span>
      {QUESTIONS.map((question) => (
        <a
          key={question.key} href={`#${question.link}&ask=${question.key}`} aria-current={note === question.key ? "true" : undefined}
          onClick={(event) => {
            event.preventDefault();
            go(`${question.link}&ask=${question.key}`);
          }}
        >
          {question.ask}
        </a>
      ))}
      {open && (
        <p class="look" role="status">
          {open.look}
          <button type="button" class="plain" aria-label="Close the explanation" onClick={() => set({ note: null })}>Close</button>
        </p>
      )}
    </section>
  );
}

function Legend() {
  const transposed = state.value.options.variant === "transpose";
  const items: [string, string][] = [
    ["window", "under the kernel, with its weight"],
    ["padding", "padding"],
    ...(transposed
      ? ([["hole", "zero put between"], ["cropped", state.value.options.mode === "zeros" ? "cropped away" : "folded in"]] as [string, string][])
      : []),
    ["chosen", "chosen"],
    ["reach", "reached"],
  ];
  return (
    <div class="legend">
      {items.map(([look, text]) => (
        <span key={look}>
          <svg class="grid live" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            {look === "padding" || look === "hole" || look === "cropped" ? (
              <rect class={`cell ${look}`} x="1" y="1" width="14" height="14" />
            ) : (
              <g class={`mark ${look}`}>
                <rect class="cover" x="1" y="1" width="14" height="14" />
                <rect class="edge" x="1.5" y="1.5" width="13" height="13" />
              </g>
            )}
          </svg>{" "}
          {text}
        </span>
      ))}
      <label class="toggle">
        <input type="checkbox" checked={state.value.uses} onChange={(event) => set({ uses: event.currentTarget.checked })} />
        Show how often each {transposed ? "number is painted" : "pixel is read"}
      </label>
    </div>
  );
}
