/** The whole state as the fragment of an address, and back. Only what differs from a variant's
 * defaults is written, so that links stay short and can be typed by hand. */

import { PADDING_MODES, DEFAULTS, VARIANTS, type Options, type Variant } from "./options";
import type { PaddingMode } from "./axis";
import type { Target } from "./links";
import type { Pair } from "./stage";
import type { Spot } from "./network";
import { imageText, INPUTS, KERNELS, readImage, type InputPreset, type KernelPreset, type Source } from "./values";
import { CHAIN_DEFAULT, formatChain, parseChain, type Chain } from "./chain";

export const TABS = ["explore", "chain", "network", "proof"] as const;
export type Tab = (typeof TABS)[number];
export const PANELS = ["cost", "matrix", "code", "search", "save"] as const;
export type Panel = (typeof PANELS)[number];

export interface Pin {
  readonly step: number;
  readonly target: Target;
}

export interface State {
  readonly tab: Tab;
  readonly options: Options;
  readonly input: Source<InputPreset>;
  readonly kernels: readonly [Source<KernelPreset>, Source<KernelPreset>];
  /** A person's own, for the grids and the network alike. */
  readonly image: Uint8Array | null;
  readonly pin: Pin | null;
  readonly panel: Panel;
  /** Shows how often each number is used in place of the numbers. */
  readonly uses: boolean;
  readonly transposed: boolean;
  readonly speed: number;
  readonly search: { readonly from: number; readonly to: number };
  readonly chain: Chain;
  /** What the network looks at: one of the drawings, or the person's own image. */
  readonly picture: number | "own";
  readonly spot: Spot;
  readonly note: string | null;
}

const SPOT: Spot = { block: 3, pass: -1, row: 5, col: 12, channel: 29 };

export const SPEEDS = [1, 2, 4, 8, 16, 60];

export function initial(variant: Variant = "standard"): State {
  const kernel: Source<KernelPreset> = { preset: "digits", edits: {} };
  return {
    tab: "explore",
    options: DEFAULTS[variant],
    input: { preset: "digits", edits: {} },
    kernels: [kernel, kernel],
    image: null,
    pin: null,
    panel: "cost",
    uses: false,
    transposed: false,
    speed: 2,
    search: { from: 8, to: 16 },
    chain: CHAIN_DEFAULT,
    picture: 0,
    spot: SPOT,
    note: null,
  };
}

const PAIRS = {
  size: "n", kernel: "k", stride: "s", dilation: "d", outputPadding: "op", pointwisePadding: "pp",
} as const;
const COUNTS = { channels: "c", features: "f", multiplier: "m", middle: "mid", groups: "g" } as const;

export function format(state: State): string {
  const start = initial(state.options.variant);
  const parts = new Map<string, string>();
  const { options } = state;
  if (state.tab !== "explore") parts.set("tab", state.tab);
  if (options.variant !== "standard") parts.set("v", options.variant);
  if (options.dims === 1) parts.set("dims", "1");
  for (const [field, key] of Object.entries(PAIRS) as [keyof typeof PAIRS, string][])
    if (options[field].join() !== start.options[field].join()) parts.set(key, pairText(options[field]));
  const { padding } = options;
  if (String(padding) !== String(start.options.padding))
    parts.set("p", typeof padding === "string" ? padding : pairText(padding));
  for (const [field, key] of Object.entries(COUNTS) as [keyof typeof COUNTS, string][])
    if (options[field] !== start.options[field]) parts.set(key, String(options[field]));
  if (options.mode !== "zeros") parts.set("mode", options.mode);
  parts.set("x", sourceText(state.input));
  state.kernels.forEach((kernel, i) => parts.set(`w${i || ""}`, sourceText(kernel)));
  if (state.image) parts.set("image", imageText(state.image));
  if (state.pin) parts.set("pin", pinText(state.pin));
  if (state.panel !== start.panel) parts.set("panel", state.panel);
  if (state.uses) parts.set("uses", "1");
  if (state.transposed) parts.set("turn", "1");
  if (state.speed !== start.speed) parts.set("speed", String(state.speed));
  const search = `${state.search.from}-${state.search.to}`;
  if (search !== "8-16") parts.set("find", search);
  const chain = formatChain(state.chain);
  if (chain !== formatChain(start.chain)) parts.set("chain", chain);
  if (state.picture) parts.set("img", String(state.picture));
  if (spotText(state.spot) !== spotText(SPOT)) parts.set("spot", spotText(state.spot));
  if (state.note) parts.set("ask", state.note);
  for (const [key, value] of parts) if (value === "digits") parts.delete(key);
  return [...parts].map(([key, value]) => `${key}=${value}`).join("&");
}

/** Reads what `format` wrote. What cannot be read keeps its default and is told in `unread`. */
export function parse(fragment: string): { state: State; unread: string[] } {
  const unread: string[] = [];
  const parts = new Map<string, string>();
  for (const part of fragment.replace(/^#/, "").split("&").filter(Boolean)) {
    const cut = part.indexOf("=");
    parts.set(part.slice(0, cut < 0 ? undefined : cut), safeDecode(cut < 0 ? "" : part.slice(cut + 1)));
  }
  function take<T>(key: string, usual: T, read: (text: string) => T | null): T {
    const text = parts.get(key);
    if (text === undefined) return usual;
    parts.delete(key);
    const value = read(text);
    if (value === null) unread.push(`${key}=${text}`);
    return value ?? usual;
  }
  const oneOf = <T extends string>(values: readonly T[]) => (text: string) =>
    values.includes(text as T) ? (text as T) : null;
  const variant = take("v", "standard" as Variant, oneOf(VARIANTS));
  const start = initial(variant);
  const options = { ...start.options } as { -readonly [K in keyof Options]: Options[K] };
  options.dims = take("dims", 2 as 1 | 2, (text) => (text === "1" ? 1 : text === "2" ? 2 : null));
  for (const [field, key] of Object.entries(PAIRS) as [keyof typeof PAIRS, string][])
    options[field] = take(key, options[field], readPair);
  options.padding = take<Options["padding"]>("p", options.padding, (text) =>
    text === "same" || text === "valid" ? text : readPair(text),
  );
  for (const [field, key] of Object.entries(COUNTS) as [keyof typeof COUNTS, string][])
    options[field] = take(key, options[field], readCount);
  options.mode = take("mode", "zeros" as PaddingMode, oneOf(PADDING_MODES));
  const inputs = Object.keys(INPUTS) as InputPreset[];
  const kernels = Object.keys(KERNELS) as KernelPreset[];
  const state: State = {
    tab: take("tab", start.tab, oneOf(TABS)),
    options,
    input: take("x", start.input, readSource(inputs, 3)),
    kernels: [
      take("w", start.kernels[0], readSource(kernels, 4)),
      take("w1", start.kernels[1], readSource(kernels, 4)),
    ],
    image: take("image", null as Uint8Array | null, readImage),
    pin: take("pin", null as Pin | null, readPin),
    panel: take("panel", start.panel, oneOf(PANELS)),
    uses: take("uses", false, (text) => text === "1"),
    transposed: take("turn", false, (text) => text === "1"),
    speed: take("speed", start.speed, (text) => (SPEEDS.includes(Number(text)) ? Number(text) : null)),
    search: take("find", start.search, (text) => {
      const found = /^(\d{1,3})-(\d{1,3})$/.exec(text);
      return found ? { from: Number(found[1]), to: Number(found[2]) } : null;
    }),
    chain: take("chain", start.chain, parseChain),
    picture: take("img", 0 as number | "own", (text) => (text === "own" ? text : /^\d$/.test(text) ? Number(text) : null)),
    spot: take("spot", SPOT, readSpot),
    note: take("ask", null as string | null, (text) => text),
  };
  for (const [key, value] of parts) unread.push(value ? `${key}=${value}` : key);
  return { state, unread };
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray percent sign: the reader of this part refuses it by name
  }
}

const pairText = ([a, b]: Pair): string => (a === b ? `${a}` : `${a}x${b}`);

function readPair(text: string): Pair | null {
  const found = /^(-?\d{1,3})(?:x(-?\d{1,3}))?$/.exec(text);
  return found ? [Number(found[1]), Number(found[2] ?? found[1])] : null;
}

const readCount = (text: string): number | null => (/^\d{1,3}$/.test(text) ? Number(text) : null);

const sourceText = ({ preset, edits }: Source<string>): string =>
  [preset, ...Object.entries(edits).map(([place, value]) => `${place}:${value}`)].join(",");

function readSource<P extends string>(presets: readonly P[], axes: number) {
  return (text: string): Source<P> | null => {
    const [preset, ...pieces] = text.split(",");
    if (!presets.includes(preset as P)) return null;
    const edits: Record<string, number> = {};
    for (const piece of pieces) {
      const [place, value] = piece.split(":");
      const fits = place.split(".").length === axes && /^[\d.]+$/.test(place);
      if (!fits || !value || !Number.isFinite(Number(value))) return null;
      edits[place] = Number(value);
    }
    return { preset: preset as P, edits };
  };
}

const spotText = (s: Spot): string => [s.block, s.pass, s.row, s.col, s.channel].join(".");

function readSpot(text: string): Spot | null {
  const found = /^(\d{1,2})\.(-1|0|1)\.(\d{1,2})\.(\d{1,2})\.(\d{1,2})$/.exec(text);
  if (!found) return null;
  const [block, pass, row, col, channel] = found.slice(1).map(Number);
  return { block, pass, row, col, channel };
}

function pinText({ step, target }: Pin): string {
  const { kind, row, col, channel } = target;
  const places = [step, row, col, channel, ...(kind === "weight" ? [target.feature] : [])];
  return `${kind[0]}${places.join(".")}`;
}

function readPin(text: string): Pin | null {
  const found = /^([iow])([01])\.(\d+)\.(\d+)\.(\d+)(?:\.(\d+))?$/.exec(text);
  if (!found || (found[1] === "w") !== (found[6] !== undefined)) return null;
  const [step, row, col, channel, feature] = found.slice(2).map(Number);
  if (found[1] === "w") return { step, target: { kind: "weight", row, col, channel, feature } };
  return { step, target: { kind: found[1] === "i" ? "input" : "output", row, col, channel } };
}
