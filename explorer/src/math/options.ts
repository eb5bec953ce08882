/** The options of the convolutions as a person sets them, and which of them are refused. */

import {
  convAxis,
  convSize,
  effectiveKernel,
  transposeAxis,
  transposeSize,
  type PaddingMode,
} from "./axis";
import type { Pair, Stage } from "./stage";

export const VARIANTS = [
  "standard",
  "pointwise",
  "depthwise",
  "depthwise_separable",
  "dilated",
  "spatially_separable",
  "transpose",
] as const;
export type Variant = (typeof VARIANTS)[number];

export const PADDING_MODES: readonly PaddingMode[] = ["zeros", "reflect", "replicate", "circular"];

export interface Options {
  readonly variant: Variant;
  readonly dims: 1 | 2;
  readonly size: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair | "same" | "valid";
  readonly dilation: Pair;
  readonly outputPadding: Pair;
  /** Of the 1x1 half of a depthwise separable convolution. */
  readonly pointwisePadding: Pair;
  readonly channels: number;
  readonly features: number;
  /** Kernels a channel, of depthwise halves. */
  readonly multiplier: number;
  /** Channels between the column and the row of a spatially separable convolution. */
  readonly middle: number;
  readonly groups: number;
  readonly mode: PaddingMode;
}

export type Field = Exclude<keyof Options, "dims">;

export const FIELDS_OF: Record<Variant, readonly Field[]> = {
  standard: ["size", "kernel", "stride", "padding", "dilation", "channels", "features", "groups", "mode"],
  pointwise: ["size", "stride", "padding", "channels", "features", "mode"],
  depthwise: ["size", "kernel", "stride", "padding", "dilation", "channels", "multiplier", "mode"],
  depthwise_separable: [
    "size", "kernel", "stride", "padding", "dilation", "pointwisePadding",
    "channels", "multiplier", "features", "mode",
  ],
  dilated: ["size", "kernel", "dilation", "stride", "padding", "channels", "features", "mode"],
  spatially_separable: ["size", "kernel", "stride", "padding", "channels", "middle", "features", "mode"],
  transpose: [
    "size", "kernel", "stride", "padding", "outputPadding", "dilation",
    "channels", "features", "groups", "mode",
  ],
};

/** The largest that the page draws; PyTorch has no such limits. */
export const LARGEST: Partial<Record<Field, number>> = {
  size: 32, kernel: 9, stride: 8, padding: 16, dilation: 8, outputPadding: 8,
  pointwisePadding: 4, channels: 8, features: 8, multiplier: 4, middle: 8, groups: 8,
};

/** Of all maps, with their borders and the zeros between pixels: more would freeze a browser. */
const MOST_CELLS = 40_000;

const drawn = ({ axes: [vertical, horizontal], channels, features }: Step): number =>
  channels * vertical.line.length * horizontal.line.length + features * vertical.outputs * horizontal.outputs;

const LEAST: Partial<Record<Field, number>> = { padding: 0, outputPadding: 0, pointwisePadding: 0 };

export const NAMES: Record<Field, string> = {
  variant: "variant", size: "size", kernel: "kernel_size", stride: "stride", padding: "padding",
  dilation: "dilation", outputPadding: "output_padding", pointwisePadding: "pointwise_padding",
  channels: "channels in", features: "channels out", multiplier: "multiplier",
  middle: "middle channels", groups: "groups", mode: "padding_mode",
};

const BASE: Options = {
  variant: "standard", dims: 2, size: [5, 5], kernel: [3, 3], stride: [1, 1], padding: [0, 0],
  dilation: [1, 1], outputPadding: [0, 0], pointwisePadding: [0, 0], channels: 2, features: 2,
  multiplier: 1, middle: 1, groups: 1, mode: "zeros",
};

/** Where each variant starts: small, and with what it is about in view. */
export const DEFAULTS: Record<Variant, Options> = {
  standard: BASE,
  pointwise: { ...BASE, variant: "pointwise", size: [4, 4], kernel: [1, 1], channels: 3 },
  depthwise: { ...BASE, variant: "depthwise", channels: 3, features: 3 },
  depthwise_separable: { ...BASE, variant: "depthwise_separable", channels: 3, features: 2 },
  dilated: { ...BASE, variant: "dilated", size: [7, 7], dilation: [2, 2], channels: 1, features: 1 },
  spatially_separable: { ...BASE, variant: "spatially_separable", channels: 1, features: 1 },
  transpose: {
    ...BASE, variant: "transpose", size: [3, 3], stride: [2, 2], padding: [1, 1],
    channels: 1, features: 1,
  },
};

export interface Problem {
  readonly field: Field;
  readonly text: string;
  /** Only this page refuses it: PyTorch and jaxconv have no such limit. */
  readonly limit?: true;
}

/** One step of a variant: a stage with the options that made it, as the formulas show them. */
export interface Step extends Stage {
  readonly title: string;
  readonly options: StepOptions;
}

export interface StepOptions {
  readonly kernel: Pair;
  readonly stride: Pair;
  /** (low, high) of each axis. */
  readonly padding: readonly [Pair, Pair];
  readonly dilation: Pair;
  readonly outputPadding: Pair;
  readonly mode: PaddingMode;
}

export interface Plan {
  /** Empty where something is refused. */
  readonly steps: readonly Step[];
  readonly problems: readonly Problem[];
  /** What PyTorch would refuse and jaxconv computes; null where PyTorch takes it, too. */
  readonly beyond: string | null;
}

interface Layer {
  title: string;
  kind: "conv" | "transpose";
  kernel: Pair;
  stride: Pair;
  padding: Pair | "same" | "valid";
  dilation: Pair;
  outputPadding: Pair;
  channels: number;
  features: number;
  groups: number;
  mode: PaddingMode;
  /** Which of the person's fields is to blame for a padding that does not fit. */
  paddingField: Field;
}

/** The steps that the options ask for, or what is wrong with them; `anySize` lifts the page's limits. */
export function plan(options: Options, { anySize = false } = {}): Plan {
  const o = normalise(options);
  const problems = wrongNumbers(o, anySize);
  if (problems.length) return { steps: [], problems, beyond: null };
  const steps: Step[] = [];
  let size = o.size;
  for (const layer of layers(o)) {
    const found = refusals(layer, size, o.dims);
    if (found.length) return { steps: [], problems: found, beyond: null };
    const step = build(layer, size);
    steps.push(step);
    size = [step.axes[0].outputs, step.axes[1].outputs];
  }
  const cells = steps.reduce((n, step) => n + drawn(step), 0);
  if (!anySize && cells > MOST_CELLS) {
    const text = `This page draws up to ${MOST_CELLS.toLocaleString("en-US")} numbers; these maps have ${cells.toLocaleString("en-US")}.`;
    return { steps: [], problems: [{ field: "size", text, limit: true }], beyond: null };
  }
  return { steps, problems: [], beyond: beyondTorch(o) };
}

/** In 1-D the vertical axis is one pixel that nothing touches; a pointwise kernel is 1x1. */
export function normalise(o: Options): Options {
  const flat = (pair: Pair, still: number): Pair => (o.dims === 1 ? [still, pair[1]] : pair);
  const kernel: Pair = o.variant === "pointwise" ? [1, 1] : flat(o.kernel, 1);
  const has = (field: Field) => FIELDS_OF[o.variant].includes(field);
  return {
    ...o,
    size: flat(o.size, 1),
    kernel,
    stride: flat(o.stride, 1),
    padding: typeof o.padding === "string" ? o.padding : flat(o.padding, 0),
    dilation: has("dilation") ? flat(o.dilation, 1) : [1, 1],
    outputPadding: has("outputPadding") ? flat(o.outputPadding, 0) : [0, 0],
    pointwisePadding: has("pointwisePadding") ? flat(o.pointwisePadding, 0) : [0, 0],
    features: o.variant === "depthwise" ? o.channels * o.multiplier : o.features,
    middle: o.dims === 1 ? o.features : o.middle,
    groups: o.variant === "depthwise" ? o.channels : has("groups") ? o.groups : 1,
  };
}

function layers(o: Options): Layer[] {
  const base: Layer = {
    title: "", kind: "conv", kernel: o.kernel, stride: o.stride, padding: o.padding,
    dilation: o.dilation, outputPadding: o.outputPadding, channels: o.channels,
    features: o.features, groups: o.groups, mode: o.mode, paddingField: "padding",
  };
  const valid: Pair = [0, 0];
  switch (o.variant) {
    case "transpose":
      return [{ ...base, kind: "transpose" }];
    case "depthwise_separable": {
      const deep = o.channels * o.multiplier;
      return [
        { ...base, title: "Depthwise", features: deep, groups: o.channels },
        {
          ...base, title: "Pointwise", kernel: [1, 1], stride: [1, 1], dilation: [1, 1],
          padding: o.pointwisePadding, channels: deep, groups: 1, paddingField: "pointwisePadding",
          mode: "zeros", // whatever the other half has
        },
      ];
    }
    case "spatially_separable": {
      const part = (axis: 0 | 1, value: Pair, still: number): Pair =>
        axis === 0 ? [value[0], still] : [still, value[1]];
      const padding = (axis: 0 | 1) =>
        typeof o.padding === "string" ? o.padding : part(axis, o.padding, valid[0]);
      if (o.dims === 1) return [base]; // one axis, so one factor
      return [
        {
          ...base, title: "Column", kernel: part(0, o.kernel, 1), stride: part(0, o.stride, 1),
          padding: padding(0), features: o.middle,
        },
        {
          ...base, title: "Row", kernel: part(1, o.kernel, 1), stride: part(1, o.stride, 1),
          padding: padding(1), channels: o.middle,
        },
      ];
    }
    default:
      return [base];
  }
}

/** Numbers that no convolution takes, and more than the page draws. */
function wrongNumbers(o: Options, anySize: boolean): Problem[] {
  const problems: Problem[] = [];
  for (const field of FIELDS_OF[o.variant]) {
    const value = o[field];
    if (typeof value === "string") continue;
    const numbers: readonly number[] = typeof value === "number" ? [value] : value;
    const least = LEAST[field] ?? 1;
    const most = anySize ? Infinity : (LARGEST[field] ?? Infinity);
    const name = NAMES[field];
    if (numbers.some((n) => !Number.isInteger(n)))
      problems.push({ field, text: `${name} takes whole numbers.` });
    else if (numbers.some((n) => n < least))
      problems.push({ field, text: `${name} must be at least ${least}.` });
    else if (numbers.some((n) => n > most))
      problems.push({ field, text: `This page draws ${name} up to ${most}.`, limit: true });
  }
  return problems;
}

/** What jaxconv takes and PyTorch refuses, in plain words. */
export function beyondTorch(o: Options): string | null {
  if (o.variant !== "transpose") return null;
  const layer = `PyTorch's ConvTranspose${o.dims}d`;
  const adds =
    "jaxconv adds what falls into the border to the pixels that a convolution with this mode reads there, so the two stay adjoint.";
  if (o.mode !== "zeros") return `${layer} refuses padding_mode “${o.mode}”; ${adds}`;
  if (typeof o.padding === "string")
    return `${layer} refuses padding “${o.padding}”; jaxconv crops what a convolution with it pads.`;
  return null;
}

/** What PyTorch and jaxconv both refuse, in plain words. */
function refusals(layer: Layer, size: Pair, dims: 1 | 2): Problem[] {
  const problems: Problem[] = [];
  const refuse = (field: Field, text: string) => problems.push({ field, text });
  const axes: readonly (0 | 1)[] = dims === 1 ? [1] : [0, 1];
  const { channels, features, groups } = layer;
  if (channels % groups)
    refuse("groups", `groups must divide the channels in: ${channels} is no multiple of ${groups}.`);
  if (features % groups)
    refuse("groups", `groups must divide the channels out: ${features} is no multiple of ${groups}.`);
  if (layer.kind === "transpose") {
    for (const axis of axes) {
      const extra = layer.outputPadding[axis];
      const most = Math.max(layer.stride[axis], layer.dilation[axis]);
      if (extra >= most) {
        refuse(
          "outputPadding",
          `output_padding must be below the stride or the dilation: ${extra} is not below ${most}.`,
        );
        break;
      }
    }
  }
  if (layer.padding === "same" && layer.stride.some((stride) => stride !== 1))
    refuse("padding", "“same” needs stride 1: a strided map cannot keep its size.");
  if (problems.length) return problems;
  const pads = paddingPairs(layer);
  for (const axis of axes) {
    const [low, high] = pads[axis];
    const common = {
      size: size[axis], kernel: layer.kernel[axis], stride: layer.stride[axis],
      dilation: layer.dilation[axis], low, high,
    };
    const reach = effectiveKernel(common.kernel, common.dilation);
    if (layer.kind === "conv" && convSize(common) < 1) {
      refuse("kernel", `The kernel spans ${reach} pixels, the padded input has ${size[axis] + low + high}.`);
      break;
    }
    // The side whose border is made of its own pixels: of a transposed convolution, the output.
    let side = size[axis];
    if (layer.kind === "transpose") {
      side = transposeSize({ ...common, outputPadding: layer.outputPadding[axis] });
      if (side < 1) {
        refuse("padding", `padding crops the whole output away: ${side} pixels would be left.`);
        break;
      }
    }
    const most = Math.max(low, high);
    if (layer.mode === "reflect" && most >= side)
      refuse(layer.paddingField, `Reflecting ${most} needs more than ${most} pixels; there are ${side}.`);
    if (layer.mode === "circular" && most > side)
      refuse(layer.paddingField, `Wrapping ${most} around needs ${most} pixels; there are ${side}.`);
    if (problems.length) break;
  }
  return problems;
}

function paddingPairs(layer: Layer): [Pair, Pair] {
  const each = (axis: 0 | 1): Pair => {
    if (layer.padding === "valid") return [0, 0];
    if (layer.padding !== "same") return [layer.padding[axis], layer.padding[axis]];
    const total = effectiveKernel(layer.kernel[axis], layer.dilation[axis]) - 1;
    return [Math.floor(total / 2), total - Math.floor(total / 2)]; // as PyTorch: the odd one last
  };
  return [each(0), each(1)];
}

function build(layer: Layer, size: Pair): Step {
  const padding = paddingPairs(layer);
  const axis = (a: 0 | 1) => {
    const [low, high] = padding[a];
    const common = {
      size: size[a], kernel: layer.kernel[a], stride: layer.stride[a], dilation: layer.dilation[a],
      low, high, mode: layer.mode,
    };
    return layer.kind === "conv"
      ? convAxis(common)
      : transposeAxis({ ...common, outputPadding: layer.outputPadding[a] });
  };
  return {
    kind: layer.kind, axes: [axis(0), axis(1)], channels: layer.channels,
    features: layer.features, groups: layer.groups, title: layer.title,
    options: {
      kernel: layer.kernel, stride: layer.stride, padding, dilation: layer.dilation,
      outputPadding: layer.outputPadding, mode: layer.mode,
    },
  };
}
