/** Output size with the numbers put in, weights, multiply-adds, effective kernel. */

import { effectiveKernel } from "../math/axis";
import { cost, stepMultiplyAdds } from "../math/cost";
import { sizeFormula } from "../math/formula";
import { normalise, plan, type Step } from "../math/options";
import { kernelCount, kernelShape } from "../math/stage";
import { set, state, steps } from "./store";
import { by, count } from "./text";

export function CostPanel() {
  const all = steps.value;
  const total = cost(all);
  const standard = standardCost();
  return (
    <div class="cost">
      {all.map((step, i) => <StepCost key={i} step={step} />)}
      {all.length > 1 && (
        <p>
          Together <b>{count(total.weights)}</b> weights and <b>{count(total.multiplyAdds)}</b> multiply-adds.
        </p>
      )}
      {standard && (
        <p>
          A standard convolution {state.value.options.variant !== "pointwise" ? "for the same job" : state.value.options.dims === 1 ? "with a kernel of 3" : "with a 3×3 kernel"} has {count(standard.weights)} weights and {count(standard.multiplyAdds)}{" "}
          multiply-adds: this one has <b>{percent(total.weights / standard.weights)}</b> of the weights and{" "}
          <b>{percent(total.multiplyAdds / standard.multiplyAdds)}</b> of the work.
        </p>
      )}
      <p class="quiet">
        One image, no bias. A multiply-add is one product that enters a sum; products with padding count, the zeros between the
        pixels of a transposed convolution do not.{" "}
        <button type="button" class="plain" onClick={() => set({ tab: "chain" })}>Stack layers and watch the receptive field grow</button>
      </p>
    </div>
  );
}

const percent = (share: number): string => `${share >= 0.1 ? Math.round(100 * share) : (100 * share).toFixed(1)} %`;

function StepCost({ step }: { step: Step }) {
  const { dims } = state.value.options;
  const { kernel, dilation } = step.options;
  const [kh, kw, from, to] = kernelShape(step);
  const spatial = dims === 1 ? `${kw}` : `${kh}·${kw}`;
  const reach = ([0, 1] as const).map((axis) => effectiveKernel(kernel[axis], dilation[axis]));
  const square = step.axes[0].outputs === step.axes[1].outputs && sizeFormula(step, 0).filled === sizeFormula(step, 1).filled;
  const axes: readonly (0 | 1)[] = dims === 1 || square ? [1] : [0, 1];
  const places = step.kind === "conv" ? "outputs" : "size";
  const where = dims === 1 ? `${step.axes[1][places]}` : `${step.axes[0][places]}·${step.axes[1][places]}`;
  return (
    <dl class="facts-list">
      {step.title && <h3>{step.title}</h3>}
      <dt>Output size</dt>
      <dd>
        <span class="general">{sizeFormula(step, 1).general}</span>
        {axes.map((axis) => (
          <span class="filled" key={axis}>
            {axes.length > 1 && (axis ? "width: " : "height: ")}
            {sizeFormula(step, axis).filled}
          </span>
        ))}
      </dd>
      <dt>Weights</dt>
      <dd>
        <span class="general">{step.kind === "conv" ? "kernel · channels in / groups · channels out" : "kernel · channels out / groups · channels in"}</span>
        <span class="filled">{spatial}·{from}·{to} = {count(kernelCount(step))}</span>
      </dd>
      <dt>Multiply-adds</dt>
      <dd>
        <span class="general">weights · places of the {step.kind === "conv" ? "output" : "input"}</span>
        <span class="filled">{count(kernelCount(step))}·{where} = {count(stepMultiplyAdds(step))}</span>
      </dd>
      <dt>Effective kernel</dt>
      <dd>
        <span class="general">dilation·(kernel − 1) + 1</span>
        <span class="filled">{dilation[1]}·({kernel[1]} − 1) + 1 = {reach[1]}{reach[0] !== reach[1] && dims === 2 ? `, vertically ${reach[0]}` : ""}: {by([kh, kw], dims)} weights over {by([reach[0], reach[1]], dims)} pixels</span>
      </dd>
    </dl>
  );
}

/** What one full kernel costs that makes the same output; null where this is one. */
function standardCost() {
  const o = normalise(state.value.options);
  if (!["pointwise", "depthwise", "depthwise_separable", "spatially_separable"].includes(o.variant) && o.groups === 1) return null;
  if (o.variant === "transpose") return null;
  const kernel = o.variant === "pointwise" ? ([3, 3] as const) : o.kernel;
  const { steps: found } = plan({
    ...o, variant: "standard", groups: 1, kernel, features: o.features,
    padding: o.variant === "pointwise" ? [1, 1] : o.padding, mode: "zeros",
  });
  return found.length ? cost(found) : null;
}

