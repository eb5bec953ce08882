/**
 * What a convolution does along one axis, as a relation between outputs, taps and inputs.
 *
 * The kernel slides over a *line*: the input with its padding around it or, for a transposed
 * convolution, the input stretched by zeros. Everything else (outputs, reverse views, the matrix,
 * the gradients) follows from the line and from where each output reads it.
 */

export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** A place of the line: an input pixel, padding around it, or a zero put between two pixels. */
export type PlaceKind = "pixel" | "padding" | "hole";

export interface Place {
  readonly kind: PlaceKind;
  /** The input pixel whose value lies here; null for a zero. */
  readonly at: number | null;
}

/** One product of an output: weight `tap` times what lies at `place`. */
export interface Read {
  readonly tap: number;
  readonly place: number;
}

export interface Axis {
  readonly size: number;
  readonly taps: number;
  readonly outputs: number;
  readonly line: readonly Place[];
  /** For each output its reads, in the order in which the kernel lies on the line. */
  readonly reads: readonly (readonly Read[])[];
}

export interface ConvAxisOptions {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly low: number;
  readonly high: number;
  readonly dilation: number;
  readonly mode: PaddingMode;
}

export interface TransposeAxisOptions extends ConvAxisOptions {
  readonly outputPadding: number;
}

export function effectiveKernel(kernel: number, dilation: number): number {
  return dilation * (kernel - 1) + 1;
}

/** Output size of a convolution; 0 or less where the kernel does not fit once. */
export function convSize(o: Omit<ConvAxisOptions, "mode">): number {
  const free = o.size + o.low + o.high - effectiveKernel(o.kernel, o.dilation);
  return Math.floor(free / o.stride) + 1;
}

/** Output size of a transposed convolution; 0 or less where the padding crops it all. */
export function transposeSize(o: Omit<TransposeAxisOptions, "mode">): number {
  const painted = (o.size - 1) * o.stride + effectiveKernel(o.kernel, o.dilation);
  return painted - o.low - o.high + o.outputPadding;
}

export function convAxis(o: ConvAxisOptions): Axis {
  const outputs = convSize(o);
  const line: Place[] = [];
  for (let place = 0; place < o.low + o.size + o.high; place++) {
    const index = place - o.low;
    const inside = index >= 0 && index < o.size;
    line.push({ kind: inside ? "pixel" : "padding", at: source(index, o.size, o.mode) });
  }
  const reads = range(outputs).map((output) =>
    range(o.kernel).map((tap) => ({ tap, place: output * o.stride + tap * o.dilation })),
  );
  return { size: o.size, taps: o.kernel, outputs, line, reads };
}

/**
 * The turned kernel slides, a step of 1 at a time, over the stretched input. Zeros crop the border
 * of what it writes. Every other mode adds each place of the border to the output whose value the
 * convolution with that mode reads there, so that the two remain adjoint.
 */
export function transposeAxis(o: TransposeAxisOptions): Axis {
  const outputs = transposeSize(o);
  const reach = effectiveKernel(o.kernel, o.dilation);
  const [before, after] = o.mode === "zeros" ? [0, 0] : [o.low, o.high];
  const low = reach - 1 - o.low + before; // negative: padding has cropped pixels away
  const line: Place[] = range(before + outputs + after + reach - 1).map((place) => {
    const along = place - low;
    if (along < 0 || along > (o.size - 1) * o.stride) return { kind: "padding", at: null };
    return along % o.stride ? { kind: "hole", at: null } : { kind: "pixel", at: along / o.stride };
  });
  const written = (output: number): Read[] =>
    range(o.kernel).map((step) => ({
      tap: o.kernel - 1 - step,
      place: before + output + step * o.dilation,
    }));
  const reads = range(outputs).map(written);
  for (const outside of [...range(before).map((n) => n - before), ...range(after).map((n) => n + outputs)])
    reads[source(outside, outputs, o.mode)!].push(...written(outside));
  return { size: o.size, taps: o.kernel, outputs, line, reads };
}

/** Which pixel lies at `index`, which may be outside; null for a zero. */
export function source(index: number, size: number, mode: PaddingMode): number | null {
  if (index >= 0 && index < size) return index;
  switch (mode) {
    case "zeros":
      return null;
    case "replicate":
      return index < 0 ? 0 : size - 1;
    case "circular":
      return ((index % size) + size) % size;
    case "reflect":
      return index < 0 ? -index : 2 * (size - 1) - index;
  }
}

export function range(count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, (_, index) => index);
}
