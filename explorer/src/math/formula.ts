/** The size formulas with the numbers put in. */

import { effectiveKernel } from "./axis";
import type { Step } from "./options";

export interface Formula {
  readonly general: string;
  readonly filled: string;
}

export function sizeFormula(step: Step, axis: 0 | 1): Formula {
  const { kernel, stride, padding, dilation, outputPadding } = step.options;
  const { size, outputs } = step.axes[axis];
  const [k, s, d] = [kernel[axis], stride[axis], dilation[axis]];
  const [low, high] = padding[axis];
  const pad = low === high ? `2·${low}` : `${low} + ${high}`;
  if (step.kind === "transpose")
    return {
      general: "(size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1",
      filled: `(${size} − 1)·${s} − ${low === high ? pad : `(${pad})`} + ${d}·(${k} − 1) + ${outputPadding[axis]} + 1 = ${outputs}`,
    };
  const inner = size + low + high - effectiveKernel(k, d);
  return {
    general: "⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1",
    filled: `⌊(${size} + ${pad} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1 = ⌊${inner} / ${s}⌋ + 1 = ${outputs}`,
  };
}
