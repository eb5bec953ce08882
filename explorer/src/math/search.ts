/** The search the other way round: which options bring one size to another? */

import { convSize, effectiveKernel, transposeSize } from "./axis";

export interface Found {
  readonly kind: "conv" | "transpose";
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly outputPadding: number;
}

const upTo = (low: number, high: number) => Array.from({ length: high - low + 1 }, (_, i) => low + i);

/** All options with small numbers, the usual ones first. */
export function search(from: number, to: number): Found[] {
  const found: Found[] = [];
  for (const kernel of upTo(1, 7))
    for (const dilation of kernel === 1 ? [1] : upTo(1, 4))
      for (const stride of upTo(1, 8)) {
        const reach = effectiveKernel(kernel, dilation);
        // More padding than half the kernel puts sums of nothing but zeros around the output.
        for (const padding of upTo(0, Math.floor(reach / 2))) {
          const common = { size: from, kernel, dilation, stride };
          if (convSize({ ...common, low: padding, high: padding }) === to)
            found.push({ kind: "conv", kernel, stride, padding, dilation, outputPadding: 0 });
          for (const outputPadding of upTo(0, Math.max(stride, dilation) - 1))
            if (transposeSize({ ...common, low: padding, high: padding, outputPadding }) === to)
              found.push({ kind: "transpose", kernel, stride, padding, dilation, outputPadding });
        }
      }
  return found.sort((a, b) => oddity(a) - oddity(b));
}

/** How far from what people usually take. */
function oddity(f: Found): number {
  const reach = effectiveKernel(f.kernel, f.dilation);
  const usual = f.kind === "transpose" ? f.kernel % f.stride : 1 - (f.kernel % 2);
  return (
    Math.abs(f.kernel - 3) + 3 * (f.dilation - 1) + usual + 2 * f.outputPadding +
    (f.stride > f.kernel ? 4 : 0) + 0.5 * Math.abs(2 * f.padding - (reach - 1)) +
    // A transposed convolution with stride 1 is a convolution; a strided one is what it is for.
    (f.kind === "transpose" && f.stride === 1 ? 3 : 0) + 0.1 * f.stride
  );
}
