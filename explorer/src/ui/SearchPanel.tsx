/** "From 8 to 16, which options?" */

import { search, type Found } from "../math/search";
import { DEFAULTS } from "../math/options";
import { Stepper } from "./Controls";
import { batch } from "@preact/signals";
import { set, setOptions, state } from "./store";

export function SearchPanel() {
  const { from, to } = state.value.search;
  const found = from >= 1 && to >= 1 ? search(from, to) : [];
  const of = (kind: Found["kind"]) => found.filter((each) => each.kind === kind);
  return (
    <div class="search">
      <p class="ask">
        From <Stepper label="From size" value={from} least={1} onSet={(n) => set({ search: { from: n, to } })} /> to{" "}
        <Stepper label="To size" value={to} least={1} onSet={(n) => set({ search: { from, to: n } })} /> pixels along an axis: which
        options do it?
      </p>
      <div class="results">
        <Results title="Convolution" found={of("conv")} from={from} />
        <Results title="Transposed convolution" found={of("transpose")} from={from} />
      </div>
      <p class="quiet">Kernels to 7, strides to 8, dilations to 4, and no more padding than half the kernel. The usual ones come first.</p>
    </div>
  );
}

function Results({ title, found, from }: { title: string; found: Found[]; from: number }) {
  return (
    <section>
      <h3>{title} <small>{found.length} ways</small></h3>
      {found.length === 0 && <p class="quiet">None: {title === "Convolution" ? "without wide padding a convolution keeps or shrinks a map." : "a transposed one keeps or enlarges it, unless padding crops it."}</p>}
      <ol>
        {found.slice(0, 8).map((each) => (
          <li key={JSON.stringify(each)}>
            <button type="button" class="plain" onClick={() => apply(each, from)}>
              {words(each)}
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function words(f: Found): string {
  const parts = [`kernel ${f.kernel}`, `stride ${f.stride}`, `padding ${f.padding}`];
  if (f.dilation > 1) parts.push(`dilation ${f.dilation}`);
  if (f.outputPadding) parts.push(`output_padding ${f.outputPadding}`);
  return parts.join(", ");
}

function apply(f: Found, from: number): void {
  const variant = f.kind === "transpose" ? "transpose" : f.dilation > 1 ? "dilated" : "standard";
  const both = (n: number) => [n, n] as const;
  batch(() => {
    set({ pin: null });
    setOptions({
      ...DEFAULTS[variant], channels: 1, features: 1, dims: state.value.options.dims, size: both(from), kernel: both(f.kernel),
      stride: both(f.stride), padding: both(f.padding), dilation: both(f.dilation), outputPadding: both(f.outputPadding),
    });
  });
  document.getElementById("main")?.scrollIntoView();
}
