/** What the page knows: one state, which the address holds, and what is for this moment only. */

import { batch, computed, effect, signal } from "@preact/signals";
import { format, initial, parse, type Pin, type State } from "../math/link";
import { links, type Link, type Target } from "../math/links";
import { DEFAULTS, plan, type Options, type Step, type Variant } from "../math/options";
import { kernelCount, outputCount, run } from "../math/stage";
import { inputValues, kernelValues, type InputPreset, type KernelPreset } from "../math/values";

const first = parse(location.hash);
export const state = signal<State>(first.state);
/** Parts of the address that nobody understood; shown once. */
export const unread = signal<readonly string[]>(first.unread);

/** What the pointer or the arrow keys are on. */
export const hover = signal<Pin | null>(null);
/** Where the player stands: how many outputs, over all steps, have been computed before. */
export const cursor = signal(0);
export const playing = signal(false);

export const planned = computed(() => plan(state.value.options));

/** The steps of the options. While something is refused: the last ones that this variant had, in as
 * many dimensions, or those that it begins with. */
let last: { steps: readonly Step[]; of: string } = { steps: [], of: "" };
export const steps = computed(() => {
  const { variant, dims } = state.value.options;
  const of = `${variant} ${dims}`;
  if (planned.value.steps.length) last = { steps: planned.value.steps, of };
  else if (last.of !== of) last = { steps: plan({ ...DEFAULTS[variant], dims }).steps, of };
  return last.steps;
});
export const refused = computed(() => planned.value.problems.length > 0);

const sources = computed(() => {
  const { input, image, kernels } = state.value;
  return { input, image, kernels };
});

/** The maps from the input to the output, and the kernels between them. */
export const numbers = computed(() => {
  const { input, image, kernels } = sources.value;
  const maps = [inputValues(steps.value[0], input, image)];
  const weights: Float64Array[] = [];
  steps.value.forEach((step, i) => {
    weights.push(kernelValues(step, kernels[i], i));
    maps.push(run(step, maps[i], weights[i]));
  });
  return { maps, weights };
});

export const outputTotal = computed(() => steps.value.reduce((n, step) => n + outputCount(step), 0));

/** The output that the player has reached: channel after channel, row by row, step by step. */
export const played = computed<Pin>(() => {
  let left = cursor.value % outputTotal.value;
  let index = 0;
  while (left >= outputCount(steps.value[index])) left -= outputCount(steps.value[index++]);
  const [height, width] = steps.value[index].axes.map((axis) => axis.outputs);
  const place = left % (height * width);
  const channel = Math.floor(left / (height * width));
  const target = { kind: "output", row: Math.floor(place / width), col: place % width, channel } as const;
  return { step: index, target };
});

const exists = ({ step, target }: Pin): boolean => {
  const stage = steps.value[step];
  if (!stage) return false;
  const [vertical, horizontal] = stage.axes;
  const { row, col, channel } = target;
  if (target.kind === "output")
    return row < vertical.outputs && col < horizontal.outputs && channel < stage.features;
  if (target.kind === "input")
    return row < vertical.size && col < horizontal.size && channel < stage.channels;
  const fits = row < vertical.taps && col < horizontal.taps && channel < stage.channels;
  return fits && target.feature < stage.features && kernelCount(stage) > 0;
};

export const pin = computed(() => {
  const pinned = state.value.pin;
  return pinned && exists(pinned) ? pinned : null;
});

/** What the picture is about now. */
export const active = computed<Pin>(() => {
  const hovered = hover.value;
  if (playing.value) return played.value;
  return hovered && exists(hovered) ? hovered : (pin.value ?? played.value);
});

/** The products that meet in what is active. */
export const activeLinks = computed<Link[]>(() => {
  const { step, target } = active.value;
  const { maps, weights } = numbers.value;
  return links(steps.value[step], maps[step], weights[step], target);
});

export function set(change: Partial<State>): void {
  state.value = { ...state.value, ...change };
}

export function setOptions(change: Partial<Options>): void {
  batch(() => {
    set({ options: { ...state.value.options, ...change } });
    cursor.value = 0;
    hover.value = null;
  });
}

export function choose(variant: Variant): void {
  const { dims } = state.value.options;
  const fresh = { ...DEFAULTS[variant], dims };
  batch(() => {
    playing.value = false;
    cursor.value = 0;
    hover.value = null;
    const blank = initial(variant);
    set({ options: fresh, pin: null, note: null, kernels: blank.kernels, input: { ...state.value.input, edits: {} } });
  });
}

/** Goes to the state of a link; the address follows. */
export function go(fragment: string): void {
  const read = parse(fragment);
  batch(() => {
    playing.value = false;
    hover.value = null;
    cursor.value = 0;
    state.value = read.state;
    unread.value = read.unread;
  });
}

export function togglePin(target: Pin): void {
  const same = JSON.stringify(state.value.pin) === JSON.stringify(target);
  batch(() => {
    playing.value = false;
    set({ pin: same ? null : target });
  });
}

export function setInputPreset(preset: InputPreset): void {
  set({ input: { preset, edits: {} } });
}

export function setKernelPreset(step: number, preset: KernelPreset): void {
  const kernels = [...state.value.kernels] as [State["kernels"][0], State["kernels"][1]];
  kernels[step] = { preset, edits: {} };
  set({ kernels });
}

/** Changes one number by hand. */
export function edit(step: number, target: Target, value: number): void {
  if (!Number.isFinite(value)) return;
  const { row, col, channel } = target;
  if (target.kind === "input" && step === 0) {
    const { input } = state.value;
    set({ input: { ...input, edits: { ...input.edits, [`${row}.${col}.${channel}`]: value } } });
  } else if (target.kind === "weight") {
    const stage = steps.value[step];
    const [from, to] =
      stage.kind === "conv"
        ? [channel % (stage.channels / stage.groups), target.feature]
        : [target.feature % (stage.features / stage.groups), channel];
    const kernels = [...state.value.kernels] as [State["kernels"][0], State["kernels"][1]];
    const old = kernels[step];
    kernels[step] = { ...old, edits: { ...old.edits, [`${row}.${col}.${from}.${to}`]: value } };
    set({ kernels });
  }
}

/** Light, dark, or as the system has it; not part of a link. */
export const theme = signal<"system" | "light" | "dark">("system");
const asSystem = media("(prefers-color-scheme: dark)");
export const narrow = media("(max-width: 860px)");
/** For what is drawn on a canvas, which no style sheet reaches. */
export const dark = computed(() => (theme.value === "system" ? asSystem.value : theme.value === "dark"));

/** The width that a picture has beside the options. */
export const room = signal(0);
const measure = () => {
  const page = Math.min(document.documentElement.clientWidth, 1320);
  room.value = page > 860 ? page - 48 - 300 - 36 : page - 28;
};
measure();
addEventListener("resize", measure);

function media(query: string) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", (event) => (matches.value = event.matches));
  return matches;
}

export const fragment = computed(() => format(state.value));

/** Keeps the address as the state is, without a new entry in the history for each change. */
export function followAddress(): void {
  let known = location.hash; // what was written or gone to last
  let timer = 0;
  const write = () => {
    timer = 0;
    const wanted = `#${fragment.value}`;
    if (location.hash !== known) return; // gone elsewhere, and the event for it is still to come
    if (wanted === known || (wanted === "#" && !known)) return;
    history.replaceState(null, "", wanted);
    known = location.hash;
  };
  effect(() => {
    fragment.value;
    timer ||= window.setTimeout(write, 150); // browsers refuse more than about 100 writes in 30 s
  });
  addEventListener("hashchange", () => {
    if (location.hash === known) return;
    known = location.hash;
    go(known);
  });
}
