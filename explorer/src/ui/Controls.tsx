/** The options, each with what is refused of it beside it. */

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { FIELDS_OF, NAMES, PADDING_MODES, VARIANTS, type Field, type Options, type Variant } from "../math/options";
import type { Pair } from "../math/stage";
import { INPUTS, KERNELS, type InputPreset, type KernelPreset } from "../math/values";
import { choose, planned, set, setInputPreset, setKernelPreset, setOptions, state, steps } from "./store";
import { useImages } from "./image";

export const VARIANT_NAMES: Record<Variant, string> = {
  standard: "Standard",
  pointwise: "Pointwise",
  depthwise: "Depthwise",
  depthwise_separable: "Depthwise separable",
  dilated: "Dilated",
  spatially_separable: "Spatially separable",
  transpose: "Transposed",
};

const HELP: Partial<Record<Field, string>> = {
  outputPadding: "extra rows and columns",
  pointwisePadding: "of the 1×1 half",
  multiplier: "kernels per channel",
  middle: "between the steps",
};

export function VariantPicker() {
  const { options } = state.value;
  return (
    <div class="variants" role="radiogroup" aria-label="Convolution">
      {VARIANTS.map((variant) => (
        <label key={variant} class={options.variant === variant ? "on" : ""}>
          <input type="radio" name="variant" value={variant} checked={options.variant === variant} onChange={() => choose(variant)} />
          {VARIANT_NAMES[variant]}
        </label>
      ))}
    </div>
  );
}

export function Controls() {
  const { options } = state.value;
  const fields = FIELDS_OF[options.variant];
  const has = (field: Field) => fields.includes(field) && !(field === "middle" && options.dims === 1);
  const pairs = (["size", "kernel", "stride", "padding", "dilation", "outputPadding", "pointwisePadding"] as const).filter(has);
  const counts = (["channels", "multiplier", "middle", "features"] as const).filter(has);
  return (
    <form class="controls" aria-label="Options" onSubmit={(event) => event.preventDefault()}>
      <Row label="Axes" problem={problem("variant")}>
        <Choice name="dims" value={String(options.dims)} values={[["2", "2-D"], ["1", "1-D"]]} onPick={(value) => setOptions({ dims: value === "1" ? 1 : 2 })} />
      </Row>
      {pairs.map((field) => (
        <PairField key={field} field={field} help={options.variant === "transpose" && field === "padding" && options.mode === "zeros" ? "crops the output" : HELP[field]} />
      ))}
      {has("mode") && (
        <Row label="padding_mode" help={options.variant === "transpose" && options.mode !== "zeros" ? "folds the border in" : undefined} problem={problem("mode")}>
          <select aria-label="padding_mode" value={options.mode} onChange={(event) => setOptions({ mode: event.currentTarget.value as Options["mode"] })}>
            {PADDING_MODES.map((mode) => <option key={mode} value={mode}>{mode}</option>)}
          </select>
        </Row>
      )}
      {counts.map((field) => (
        <Row key={field} label={NAMES[field]} help={HELP[field]} problem={problem(field)}>
          <Stepper label={NAMES[field]} value={options[field]} least={1} onSet={(value) => setOptions({ [field]: value })} />
        </Row>
      ))}
      {has("groups") && <Groups />}
      <Numbers />
    </form>
  );
}

function problem(field: Field): string | undefined {
  return planned.value.problems.find((p) => p.field === field)?.text;
}

interface RowProps {
  label: string;
  help?: string | undefined;
  problem?: string | undefined;
  children: ComponentChildren;
}

function Row({ label, help, problem, children }: RowProps) {
  const id = useId();
  return (
    <div class={`field${problem ? " refused" : ""}`} role="group" aria-labelledby={id} aria-describedby={problem ? `${id}-why` : undefined}>
      <span class="name" id={id}>
        {label}
        {help && <small>{help}</small>}
      </span>
      <span class="inputs">{children}</span>
      {problem && <p class="why" id={`${id}-why`} role="alert">{problem}</p>}
    </div>
  );
}

function PairField({ field, help }: { field: "size" | "kernel" | "stride" | "padding" | "dilation" | "outputPadding" | "pointwisePadding"; help?: string | undefined }) {
  const { options } = state.value;
  const value = options[field];
  const name = NAMES[field];
  const least = /adding/.test(field) ? 0 : 1;
  const words = field === "padding";
  const chosen = typeof value === "string" ? value : "number";
  const pair: Pair = typeof value === "string" ? [0, 0] : value;
  const put = (next: Pair) => setOptions({ [field]: next } as Partial<Options>);
  const [linked, setLinked] = useLinked(pair);
  const two = options.dims === 2 && !linked;
  return (
    <Row label={name} help={help} problem={problem(field)}>
      {words && (
        <select aria-label={`${name}: number, same or valid`} value={chosen}
          onChange={(event) => {
            const picked = event.currentTarget.value;
            setOptions({ padding: picked === "number" ? [1, 1] : (picked as "same" | "valid") });
          }}>
          <option value="number">number</option>
          <option value="same">same</option>
          <option value="valid">valid</option>
        </select>
      )}
      {typeof value !== "string" && (
        <>
          <Stepper
            label={two ? `${name}, vertical` : name} value={options.dims === 1 ? pair[1] : pair[0]} least={least}
            onSet={(n) => put(options.dims === 1 ? (linked ? [n, n] : [pair[0], n]) : two ? [n, pair[1]] : [n, n])}
          />
          {two && <Stepper label={`${name}, horizontal`} value={pair[1]} least={least} onSet={(n) => put([pair[0], n])} />}
          {options.dims === 2 && (
            <button
              type="button" class="link" aria-pressed={linked} title={linked ? "Set the two axes apart" : "One number for both axes"}
              aria-label={`${name}: one number for both axes`}
              onClick={() => {
                if (!linked) put([pair[0], pair[0]]);
                setLinked(!linked);
              }}
            >
              h×w
            </button>
          )}
        </>
      )}
    </Row>
  );
}

/** Whether one number stands for both axes; never while they differ. */
function useLinked(pair: Pair): [boolean, (linked: boolean) => void] {
  const [wanted, want] = useState(true);
  return [wanted && pair[0] === pair[1], want];
}

interface StepperProps {
  label: string;
  value: number;
  least: number;
  onSet: (value: number) => void;
}

export function Stepper({ label, value, least, onSet }: StepperProps) {
  return (
    <span class="stepper">
      <button type="button" aria-label={`${label}: one less`} disabled={value <= least} onClick={() => onSet(value - 1)}>
        −
      </button>
      <input
        type="number" inputMode="numeric" aria-label={label} value={value}
        onInput={(event) => {
          const { value: text } = event.currentTarget;
          if (/^-?\d+$/.test(text)) onSet(Number(text));
        }}
      />
      <button type="button" aria-label={`${label}: one more`} onClick={() => onSet(value + 1)}>
        +
      </button>
    </span>
  );
}

interface ChoiceProps {
  name: string;
  value: string;
  values: readonly (readonly [string, string])[];
  onPick: (value: string) => void;
}

export function Choice({ name, value, values, onPick }: ChoiceProps) {
  return (
    <span class="choice">
      {values.map(([key, text]) => (
        <label key={key} class={key === value ? "on" : ""}>
          <input type="radio" name={name} checked={key === value} onChange={() => onPick(key)} />
          {text}
        </label>
      ))}
    </span>
  );
}

/** From standard (1) through grouped to depthwise (as many groups as channels). */
function Groups() {
  const { options } = state.value;
  const { groups, channels } = options;
  const name =
    groups === 1 ? "standard: every kernel reads all channels"
    : groups === channels ? "depthwise: every kernel reads one channel"
    : `grouped: every kernel reads ${channels / groups} of ${channels} channels`;
  const why = problem("groups");
  return (
    <Row label="groups" help={why ? undefined : name} problem={why}>
      <input
        type="range" min="1" max={Math.max(channels, 1)} step="1" value={groups} aria-label="groups" aria-valuetext={`${groups}, ${name}`}
        onInput={(event) => setOptions({ groups: Number(event.currentTarget.value) })}
      />
      <output>{groups}</output>
    </Row>
  );
}

function Numbers() {
  const { input, kernels, options } = state.value;
  const drop = useImages((image) => set({ image, input: { preset: "image", edits: {} } }));
  return (
    <fieldset class="numbers">
      <legend>Numbers</legend>
      <Row label="Input" help={Object.keys(input.edits).length ? "edited by hand" : undefined}>
        <select aria-label="Input numbers" value={input.preset} onChange={(event) => {
          const preset = event.currentTarget.value as InputPreset;
          if (preset === "image" && !state.value.image) drop.choose();
          else setInputPreset(preset);
        }}>
          {Object.entries(INPUTS).map(([key, name]) => <option key={key} value={key}>{name}{key === "image" ? "…" : ""}</option>)}
        </select>
        {input.preset === "image" && <button type="button" class="plain" onClick={drop.choose}>Another</button>}
      </Row>
      {steps.value.map((step, i) => (
        <Row key={`${options.variant}${i}`} label={step.title ? `${step.title} weights` : "Weights"} help={Object.keys(kernels[i].edits).length ? "edited by hand" : undefined}>
          <select aria-label={`${step.title} weights`.trim()} value={kernels[i].preset} onChange={(event) => setKernelPreset(i, event.currentTarget.value as KernelPreset)}>
            {Object.entries(KERNELS).map(([key, name]) => <option key={key} value={key}>{name}</option>)}
          </select>
        </Row>
      ))}
      {drop.message && <p class="why" role="alert">{drop.message}</p>}
    </fieldset>
  );
}
