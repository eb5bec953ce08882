/** What a case costs and sees. Products with padding count, as they do in jaxconv. */

import { effectiveKernel } from "./axis";
import { spread } from "./chain";
import type { Step } from "./options";
import { inputUses, kernelCount, type Pair } from "./stage";

export interface Cost {
  readonly weights: number;
  readonly multiplyAdds: number;
  /** Input pixels, from first to last, that one number of the output depends on. */
  readonly field: Pair;
}

export function stepMultiplyAdds(step: Step): number {
  const places = (axis: "size" | "outputs") => step.axes[0][axis] * step.axes[1][axis];
  const perPlace = kernelCount(step);
  return step.kind === "conv" ? places("outputs") * perPlace : places("size") * perPlace;
}

/** How far apart, at most, two pixels are that one output of a transposed convolution reads. */
function mostSpread(kernel: number, stride: number, dilation: number): number {
  const widths = Array.from({ length: stride }, (_, phase) => {
    const [low, high] = spread(phase, phase, kernel, stride, dilation);
    return Number.isFinite(low) ? high - low + 1 : 0;
  });
  return Math.max(...widths);
}

export function cost(steps: readonly Step[]): Cost {
  const sum = (of: (step: Step) => number) => steps.reduce((total, step) => total + of(step), 0);
  const field = ([0, 1] as const).map((axis) => {
    // The steps of one variant stand a pixel apart, unless the first one strides.
    let extent = 1;
    for (const step of [...steps].reverse()) {
      const [kernel, stride, dilation] = [step.options.kernel, step.options.stride, step.options.dilation].map((pair) => pair[axis]);
      extent =
        step.kind === "conv"
          ? (extent - 1) * stride + effectiveKernel(kernel, dilation)
          : mostSpread(kernel, stride, dilation);
    }
    return extent;
  });
  return { weights: sum(kernelCount), multiplyAdds: sum(stepMultiplyAdds), field: [field[0], field[1]] };
}

/** How many pixels of the first step's input enter any output. */
export function readShare(step: Step): { read: number; all: number } {
  const uses = inputUses(step);
  return { read: uses.filter((n) => n > 0).length, all: uses.length };
}
