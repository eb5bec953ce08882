/** The case in a line: sizes, weights, work and view. */

import { cost, readShare } from "../math/cost";
import { state, steps } from "./store";
import { by, count, plural } from "./text";

const STORIES = {
  standard: "Each kernel is as deep as its group of channels, and makes one channel.",
  pointwise: "A kernel of one pixel mixes the channels. No output depends on a neighbouring pixel.",
  depthwise: "Each channel has its own kernels. Channels never mix.",
  depthwise_separable: "First each channel is filtered alone, then 1×1 kernels mix the results.",
  dilated: "The weights move apart, and the holes between them cost nothing.",
  spatially_separable: "A column first, then a row over its result: together they cover the square. In 1-D the row is all there is.",
  transpose: "The transpose of a convolution: it grows the map that a convolution would shrink.",
};

export function Headline() {
  const { options, uses } = state.value;
  const all = steps.value;
  const total = cost(all);
  const sizes = all.map((step) => [step.axes[0].outputs, step.axes[1].outputs, step.features] as const);
  const first = all[0];
  const shapes = [[first.axes[0].size, first.axes[1].size, first.channels] as const, ...sizes];
  const share = readShare(first);
  return (
    <div class="headline">
      <p class="shapes" aria-label="Sizes">
        {shapes.map(([h, w, c], i) => (
          <span key={i}>
            {i > 0 && <span class="arrow"> → </span>}
            <b>{by([h, w], options.dims)}</b>×{c}
          </span>
        ))}
      </p>
      <p class="facts">
        <span>{plural(total.weights, "weight")}</span>
        <span>{plural(total.multiplyAdds, "multiply-add")}</span>
        <span>one output spans {by(total.field, options.dims)}</span>
        {(uses || share.read < share.all) && (
          <span class="warn">reads {count(share.read)} of {count(share.all)} pixels ({Math.round((100 * share.read) / share.all)} %)</span>
        )}
      </p>
      <p class="story">{STORIES[options.variant]}</p>
    </div>
  );
}
