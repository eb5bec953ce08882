/** The very case as code to copy, or why a library cannot say it. */

import { beyondTorch, type Options, type Step } from "./options";
import { kernelShape, type Pair } from "./stage";

export interface Snippet {
  readonly name: string;
  readonly code: string | null;
  /** Why there is no code, or what to know about it. */
  readonly note: string | null;
}

export interface Case {
  readonly options: Options;
  readonly steps: readonly Step[];
  /** Written into the code where given: the input [h, w, c] and the kernels. */
  readonly numbers?: { readonly x: ArrayLike<number>; readonly kernels: readonly ArrayLike<number>[] };
}

export function snippets(c: Case): Snippet[] {
  return [torch(c), jaxconvFunction(c), jaxconvLinen(c), jaxconvNnx(c), flax(c), keras(c)];
}

type Arg = readonly [name: string, value: string, usual: string];

const args = (list: readonly Arg[]): string =>
  list.filter(([, value, usual]) => value !== usual).map(([name, value]) => `, ${name}=${value}`).join("");

class Writer {
  constructor(readonly c: Case) {}

  get oneD(): boolean {
    return this.c.options.dims === 1;
  }

  /** One number where the axes agree, as a person would write it. */
  pair([a, b]: Pair): string {
    return this.oneD || a === b ? `${b}` : `(${a}, ${b})`;
  }

  /** Always one number an axis. */
  tuple([a, b]: Pair): string {
    return this.oneD ? `(${b},)` : `(${a}, ${b})`;
  }

  space(sizes: readonly [number, number]): string {
    return this.oneD ? `${sizes[1]}` : `${sizes[0]}, ${sizes[1]}`;
  }

  lastShape(order: "first" | "last"): string {
    const last = this.c.steps[this.c.steps.length - 1];
    const space = this.space([last.axes[0].outputs, last.axes[1].outputs]);
    return order === "last" ? `[1, ${space}, ${last.features}]` : `[1, ${last.features}, ${space}]`;
  }

  inputShape(order: "first" | "last"): string {
    const [first] = this.c.steps;
    const space = this.space([first.axes[0].size, first.axes[1].size]);
    return order === "last" ? `(1, ${space}, ${first.channels})` : `(1, ${first.channels}, ${space})`;
  }

  /** Kernel shape in jaxconv's order. */
  kernel(step: Step): readonly number[] {
    const shape = kernelShape(step);
    return this.oneD ? shape.slice(1) : shape;
  }
}

function torch(c: Case): Snippet {
  const beyond = beyondTorch(c.options);
  if (beyond) return { name: "PyTorch", code: null, note: beyond };
  const w = new Writer(c);
  const d = w.oneD ? 1 : 2;
  const layers = c.steps.map((step) => {
    const { padding, stride, dilation, outputPadding, mode, kernel } = step.options;
    const words = typeof c.options.padding === "string" && step.title !== "Pointwise";
    const list: Arg[] = [
      ["stride", w.pair(stride), "1"],
      ["padding", words ? `"${c.options.padding}"` : w.pair([padding[0][0], padding[1][0]]), "0"],
      ["output_padding", w.pair(outputPadding), "0"],
      ["dilation", w.pair(dilation), "1"],
      ["groups", `${step.groups}`, "1"],
      ["padding_mode", `"${mode}"`, '"zeros"'],
    ];
    const name = step.kind === "conv" ? `nn.Conv${d}d` : `nn.ConvTranspose${d}d`;
    return `${name}(${step.channels}, ${step.features}, kernel_size=${w.pair(kernel)}${args(list)}, bias=False)`;
  });
  const lines = ["import torch", "from torch import nn", ""];
  lines.push(layers.length === 1 ? `layer = ${layers[0]}` : `layer = nn.Sequential(\n    ${layers.join(",\n    ")},\n)`);
  if (c.numbers) {
    const { x, kernels } = c.numbers;
    const last = w.oneD ? "2, 1, 0" : "3, 2, 0, 1";
    c.steps.forEach((step, i) => {
      const of = layers.length === 1 ? "layer" : `layer[${i}]`;
      lines.push(`kernel = torch.tensor(${literal(kernels[i], w.kernel(step))})  # ${layout(step, w)}`);
      lines.push(`${of}.weight.data = kernel.permute(${last}).contiguous()`);
    });
    lines.push(`x = torch.tensor(${literal(x, inputAxes(w))})[None]`);
    lines.push(`x = x.permute(0, ${w.oneD ? "2, 1" : "3, 1, 2"})`);
  } else lines.push(`x = torch.ones${w.inputShape("first")}`);
  lines.push(`y = layer(x)  # ${w.lastShape("first")}`);
  return { name: "PyTorch", code: lines.join("\n"), note: null };
}

const FUNCTION: Record<Options["variant"], string> = {
  standard: "conv",
  pointwise: "pointwise_conv",
  depthwise: "depthwise_conv",
  depthwise_separable: "depthwise_separable_conv",
  dilated: "dilated_conv",
  spatially_separable: "spatially_separable_conv",
  transpose: "transpose_conv",
};

/** The options as all of jaxconv's functions and modules take them. */
function jaxconvArgs(w: Writer): string {
  const o = w.c.options;
  const has = (...variants: Options["variant"][]) => variants.includes(o.variant);
  const [first] = w.c.steps;
  const list: Arg[] = [
    ["stride", w.pair(o.stride), "1"],
    ["padding", typeof o.padding === "string" ? `"${o.padding}"` : w.pair(o.padding), "0"],
  ];
  if (has("transpose")) list.push(["output_padding", w.pair(o.outputPadding), "0"]);
  if (!has("pointwise", "spatially_separable"))
    list.push(["dilation", w.pair(first.options.dilation), has("dilated") ? "2" : "1"]);
  if (has("standard", "transpose")) list.push(["groups", `${o.groups}`, "1"]);
  if (has("depthwise_separable")) list.push(["pointwise_padding", w.pair(o.pointwisePadding), "0"]);
  list.push(["padding_mode", `"${o.mode}"`, '"zeros"']);
  return args(list);
}

function jaxconvFunction(c: Case): Snippet {
  const w = new Writer(c);
  const name = FUNCTION[c.options.variant];
  const names = { depthwise_separable: ["depthwise", "pointwise"], spatially_separable: w.oneD ? ["row"] : ["column", "row"] };
  const kernels = names[c.options.variant as keyof typeof names] ?? ["kernel"];
  const lines = ["import jax.numpy as jnp", `from jaxconv import ${name}`, ""];
  lines.push(
    c.numbers
      ? `x = jnp.array(${literal(c.numbers.x, inputAxes(w))})[None]  # [b, ${w.oneD ? "w" : "h, w"}, c]`
      : `x = jnp.ones(${w.inputShape("last")})  # [b, ${w.oneD ? "w" : "h, w"}, c]`,
  );
  c.steps.forEach((step, i) => {
    const shape = w.kernel(step);
    const value = c.numbers ? `array(${literal(c.numbers.kernels[i], shape)})` : `ones((${shape.join(", ")}))`;
    lines.push(`${kernels[i]} = jnp.${value}  # ${layout(step, w)}`);
  });
  lines.push(`y = ${name}(x, ${kernels.join(", ")}${jaxconvArgs(w)})  # ${w.lastShape("last")}`);
  return { name: "jaxconv", code: lines.join("\n"), note: null };
}

const layout = (step: Step, w: Writer): string => {
  const space = w.oneD ? "kw" : "kh, kw";
  return step.kind === "conv" ? `[${space}, c_in/groups, c_out]` : `[${space}, c_out/groups, c_in]`;
};

function moduleArgs(w: Writer): { name: string; features: number; rest: string } {
  const { options, steps } = w.c;
  const name = {
    standard: "Conv", pointwise: "PointwiseConv", depthwise: "DepthwiseConv",
    depthwise_separable: "DepthwiseSeparableConv", dilated: "DilatedConv",
    spatially_separable: "SpatiallySeparableConv", transpose: "TransposeConv",
  }[options.variant];
  const more: Arg[] = [];
  // In 1-D a kernel size of one number needs a tuple, to say how many axes there are.
  const size = w.oneD ? w.tuple(options.kernel) : w.pair(options.kernel);
  if (options.variant !== "pointwise") more.push(["kernel_size", size, ""]);
  if (options.variant === "depthwise_separable") more.push(["multiplier", `${options.multiplier}`, "1"]);
  if (options.variant === "spatially_separable" && options.middle !== options.features)
    more.push(["mid_features", `${options.middle}`, ""]);
  const features = steps[steps.length - 1].features;
  return { name, features, rest: args(more) + jaxconvArgs(w) };
}

function jaxconvLinen(c: Case): Snippet {
  const w = new Writer(c);
  const { name, features, rest } = moduleArgs(w);
  const code = [
    "import jax", `from jaxconv import ${name}`, "",
    `layer = ${name}(features=${features}${rest})`,
    `x = jax.numpy.ones(${w.inputShape("last")})`,
    "variables = layer.init(jax.random.key(0), x)",
    `y = layer.apply(variables, x)  # ${w.lastShape("last")}`,
  ];
  return { name: "jaxconv, Linen", code: code.join("\n"), note: null };
}

function jaxconvNnx(c: Case): Snippet {
  const w = new Writer(c);
  const { name, features, rest } = moduleArgs(w);
  const axes = w.oneD && c.options.variant === "pointwise" ? ", axes=1" : "";
  const code = [
    "import jax", "from flax import nnx", `from jaxconv.nnx import ${name}`, "",
    `layer = ${name}(${c.steps[0].channels}, ${features}${axes}${rest}, rngs=nnx.Rngs(0))`,
    `y = layer(jax.numpy.ones(${w.inputShape("last")}))  # ${w.lastShape("last")}`,
  ];
  return { name: "jaxconv, NNX", code: code.join("\n"), note: null };
}

function flax(c: Case): Snippet {
  const name = "Flax";
  const w = new Writer(c);
  if (c.steps[0].kind === "transpose" && c.options.groups > 1)
    return { name, code: null, note: "flax.linen.ConvTranspose has no groups." };
  if (c.steps[0].kind === "transpose" && c.options.mode !== "zeros")
    return { name, code: null, note: `flax.linen.ConvTranspose has no padding mode “${c.options.mode}” that is the adjoint of Conv's.` };
  const lines = ["import jax", "import jax.numpy as jnp", "from flax import linen as nn", ""];
  const calls: string[] = [];
  const modes = { reflect: "reflect", replicate: "edge", circular: "wrap", zeros: "" };
  const layers = c.steps.map((step) => {
    const { kernel, stride, dilation, padding, mode } = step.options;
    const pads = step.kind === "conv" ? padding : turnedPadding(step);
    const pairs = (w.oneD ? pads.slice(1) : pads).map(([low, high]) => `(${low}, ${high})`);
    const outside = mode !== "zeros" && pads.flat().some((n) => n > 0);
    if (outside) calls.push(`y = jnp.pad(y, ((0, 0), ${pairs.join(", ")}, (0, 0)), mode="${modes[mode]}")`);
    const list: Arg[] = [
      ["strides", w.tuple(stride), w.tuple([1, 1])],
      // For a transposed one "VALID" means to crop nothing, which is another padding than none.
      ["padding", step.kind === "conv" && (outside || pads.flat().every((n) => n === 0)) ? '"VALID"' : w.oneD ? `(${pairs[0]},)` : `(${pairs.join(", ")})`, ""],
      ["kernel_dilation", w.tuple(dilation), w.tuple([1, 1])],
      ["feature_group_count", `${step.groups}`, "1"],
    ];
    const type = step.kind === "conv" ? "nn.Conv" : "nn.ConvTranspose";
    const turn = step.kind === "conv" ? "" : ", transpose_kernel=True";
    calls.push("");
    return `${type}(${step.features}, ${w.tuple(kernel)}${args(list)}${turn}, use_bias=False)`;
  });
  lines.push(`y = jnp.ones(${w.inputShape("last")})`);
  let layer = 0;
  for (const call of calls) {
    if (call) lines.push(call);
    else {
      lines.push(`layer = ${layers[layer++]}`);
      lines.push("y, variables = layer.init_with_output(jax.random.key(0), y)");
    }
  }
  lines[lines.length - 1] += `  # ${w.lastShape("last")}`;
  const note =
    c.steps[0].kind === "transpose"
      ? "Its padding counts on the stretched input, from where nothing is cropped: dilation·(kernel − 1) − padding."
      : null;
  return { name, code: lines.join("\n"), note };
}

/** What the sliding view pads: Flax and XLA count so. */
function turnedPadding(step: Step): [Pair, Pair] {
  const { kernel, dilation, padding, outputPadding } = step.options;
  const each = (axis: 0 | 1): Pair => {
    const reach = dilation[axis] * (kernel[axis] - 1);
    const [low, high] = padding[axis];
    return [reach - low, reach - high + outputPadding[axis]];
  };
  return [each(0), each(1)];
}

function keras(c: Case): Snippet {
  const name = "Keras";
  const w = new Writer(c);
  const d = w.oneD ? 1 : 2;
  const no = (note: string): Snippet => ({ name, code: null, note });
  const layers: string[] = [];
  for (const step of c.steps) {
    const { kernel, stride, dilation, padding, outputPadding, mode } = step.options;
    const padded = padding.flat().some((n) => n > 0);
    if (mode !== "zeros" && padded) return no(`Keras has no layer that pads by “${mode}”.`);
    if (Math.max(...stride) > 1 && Math.max(...dilation) > 1)
      return no("Keras refuses a stride and a dilation that are both above 1.");
    const sides = w.oneD ? `(${padding[1].join(", ")})` : `((${padding[0].join(", ")}), (${padding[1].join(", ")}))`;
    const list: Arg[] = [
      ["strides", w.tuple(stride), w.tuple([1, 1])],
      ["dilation_rate", w.tuple(dilation), w.tuple([1, 1])],
    ];
    if (step.kind === "transpose") {
      if (step.groups > 1) return no(`Keras's Conv${d}DTranspose has no groups.`);
      const axes = w.oneD ? [1] : [0, 1];
      if (axes.some((axis) => outputPadding[axis] >= stride[axis] && outputPadding[axis] > 0))
        return no("Keras wants output_padding below the stride.");
      layers.push(
        `layers.Conv${d}DTranspose(${step.features}, ${w.tuple(kernel)}${args(list)}, output_padding=${w.tuple(outputPadding)}, use_bias=False)`,
      );
      if (padded) layers.push(`layers.Cropping${d}D(${sides})`);
      continue;
    }
    if (padded) layers.push(`layers.ZeroPadding${d}D(${sides})`);
    list.push(["groups", `${step.groups}`, "1"]);
    layers.push(`layers.Conv${d}D(${step.features}, ${w.tuple(kernel)}${args(list)}, use_bias=False)`);
  }
  const [first] = c.steps;
  const space = w.space([first.axes[0].size, first.axes[1].size]);
  const lines = [
    "import keras", "from keras import layers", "",
    "model = keras.Sequential([", `    layers.Input((${space}, ${first.channels})),`,
    ...layers.map((layer) => `    ${layer},`), "])",
    `y = model(keras.ops.ones(${w.inputShape("last")}))  # ${w.lastShape("last")}`,
  ];
  return { name, code: lines.join("\n"), note: null };
}

function inputAxes(w: Writer): number[] {
  const [first] = w.c.steps;
  const space = w.oneD ? [first.axes[1].size] : [first.axes[0].size, first.axes[1].size];
  return [...space, first.channels];
}

/** Nested Python lists of floats. */
function literal(values: ArrayLike<number>, shape: readonly number[]): string {
  let at = 0;
  const level = (depth: number): string => {
    if (depth === shape.length) {
      const value = values[at++];
      return Number.isInteger(value) ? `${value}.` : `${value}`;
    }
    return `[${Array.from({ length: shape[depth] }, () => level(depth + 1)).join(", ")}]`;
  };
  return level(0);
}

/** The command that draws the case as a film, or why it cannot. */
export function animateCommand(o: Options, steps: readonly Step[]): { command: string | null; note: string } {
  const no = (note: string) => ({ command: null, note });
  const [first] = steps;
  if (o.mode !== "zeros") return no("The films pad with zeros only.");
  const { padding } = first.options;
  if (steps.some((step) => step.options.padding.some(([low, high]) => low !== high))) return no("The films pad both sides alike.");
  if (o.variant === "depthwise_separable" && (o.multiplier > 1 || Math.max(...o.pointwisePadding) > 0))
    return no("The films have no multiplier and no pointwise_padding.");
  if (o.variant === "spatially_separable" && o.middle !== o.features)
    return no("The films keep as many channels between the steps as come out.");
  const one = o.variant === "depthwise" || (o.variant === "spatially_separable" && o.dims === 1);
  const variant = one ? "standard" : o.variant;
  const pair = ([a, b]: Pair) => (a === b ? `${a}` : `${a},${b}`);
  const flat = (value: Pair, still: number): Pair => (o.dims === 1 ? [still, value[1]] : value);
  const sums: Pair =
    variant === "spatially_separable"
      ? [padding[0][0], steps[1].options.padding[1][0]]
      : [padding[0][0], padding[1][0]];
  // The command's own sizes change from variant to variant: ours are always said.
  const flags: Arg[] = [
    ["size", pair(flat(o.size, 1)), ""],
    ["channels", `${o.channels}`, ""],
    ["features", `${steps[steps.length - 1].features}`, ""],
  ];
  if (variant !== "pointwise") flags.push(["kernel-size", pair(flat(o.kernel, 1)), ""]);
  flags.push(["stride", pair(flat(o.stride, 1)), "1"], ["padding", pair(sums), "0"]);
  if (variant === "transpose") flags.push(["output-padding", pair(flat(o.outputPadding, 0)), "0"]);
  if (!["pointwise", "spatially_separable"].includes(variant))
    flags.push(["dilation", pair(flat(first.options.dilation, 1)), variant === "dilated" ? "2" : "1"]);
  if (["standard", "transpose"].includes(variant)) flags.push(["groups", `${first.groups}`, "1"]);
  const said = flags.filter(([, value, usual]) => value !== usual);
  return {
    command: `python -m jaxconv animate ${variant}${said.map(([name, value]) => ` --${name} ${value}`).join("")} --out ${o.variant}.gif`,
    note: "A film of this case, with small numbers of its own.",
  };
}
