/** S9Net at work on an image, down to the sum behind each number. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { drawing, DRAWN, weights } from "../data/load";
import { fieldOf, normaliseImage, runNetwork, type Result } from "../math/network";
import { Camera } from "./Camera";
import { useImages } from "./image";
import { Explanation } from "./Explanation";
import { Maps } from "./Maps";
import { spotOf } from "./spot";
import { set, state } from "./store";

export function NetworkView() {
  const { picture, image } = state.value;
  const pixels = picture === "own" && image ? image : drawing(picture === "own" ? 0 : picture);
  const { result, time } = useMemo(() => {
    const { tensors, card } = weights();
    const begin = performance.now();
    const found = runNetwork(normaliseImage(pixels, card), tensors);
    return { result: found, time: performance.now() - begin };
  }, [pixels]);
  return (
    <section class="network" aria-labelledby="network-title">
      <h2 id="network-title">A network made of these convolutions</h2>
      <p>
        S9Net has 193,376 parameters and was trained on CIFAR-10 to {weights().card.test_accuracy} %. It runs in this page, with the
        package's weights. Choose one of the drawings or bring an image of your own; then click any number of any map to see the sum that
        made it.
      </p>
      <Pictures />
      <div class="seen">
        <Picture pixels={pixels} result={result} />
        <Probabilities result={result} time={time} />
      </div>
      <Maps result={result} />
      <Explanation result={result} />
    </section>
  );
}

function Pictures() {
  const { picture, image } = state.value;
  const names = weights().card.class_names;
  const take = (rgb: Uint8Array) => set({ image: rgb, picture: "own" });
  const images = useImages(take);
  const [camera, setCamera] = useState(false);
  return (
    <div class="pictures">
      <div role="radiogroup" aria-label="Image" class="thumbs">
        {Array.from({ length: DRAWN }, (_, i) => (
          <label key={i} class={picture === i ? "on" : ""} title={`Drawn ${names[i]}`}>
            <input type="radio" name="picture" aria-label={`Drawn ${names[i]}`} checked={picture === i} onChange={() => set({ picture: i })} />
            <Pixels rgb={drawing(i)} />
          </label>
        ))}
        {image && (
          <label class={picture === "own" ? "on" : ""} title="Your own">
            <input type="radio" name="picture" aria-label="Your own image" checked={picture === "own"} onChange={() => set({ picture: "own" })} />
            <Pixels rgb={image} />
          </label>
        )}
      </div>
      <p class="buttons">
        <button type="button" onClick={images.choose}>Choose an image</button>
        <button type="button" onClick={() => setCamera(!camera)} aria-expanded={camera}>Camera</button>
        <small>or drop or paste one. It stays in this page.</small>
      </p>
      {camera && <Camera onImage={(rgb) => { setCamera(false); take(rgb); }} />}
      {images.message && <p class="why" role="alert">{images.message}</p>}
    </div>
  );
}

/** 32x32 pixels on a canvas. */
export function Pixels({ rgb }: { rgb: ArrayLike<number> }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    const data = context.createImageData(32, 32);
    for (let i = 0; i < 1024; i++) data.data.set([rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2], 255], 4 * i);
    context.putImageData(data, 0, 0);
  }, [rgb]);
  return <canvas ref={canvas} width="32" height="32" aria-hidden="true" />;
}

/** The image, with the patch that the chosen number depends on. */
function Picture({ pixels, result }: { pixels: ArrayLike<number>; result: Result }) {
  const [[top, bottom], [left, right]] = fieldOf(result, spotOf(result));
  return (
    <figure class="pixels">
      <Pixels rgb={pixels} />
      <svg viewBox="0 0 32 32" aria-hidden="true">
        {[0, 1].map((i) => <rect key={i} x={left} y={top} width={Math.max(0, right - left + 1)} height={Math.max(0, bottom - top + 1)} />)}
      </svg>
      <figcaption>The frame is what the chosen number sees: {Math.max(0, bottom - top + 1)}×{Math.max(0, right - left + 1)} pixels.</figcaption>
    </figure>
  );
}

function Probabilities({ result, time }: { result: Result; time: number }) {
  const names = weights().card.class_names;
  const order = [...names.keys()].sort((a, b) => result.probabilities[b] - result.probabilities[a]);
  return (
    <div class="probabilities">
      <table aria-label="Probabilities">
        <tbody>
          {order.map((k, place) => (
            <tr key={names[k]} class={place === 0 ? "best" : ""}>
              <th scope="row">{names[k]}</th>
              <td class="bar"><span style={{ width: `${Math.max(0.3, 100 * result.probabilities[k])}%` }} /></td>
              <td>{(100 * result.probabilities[k]).toFixed(1)} %</td>
              <td class="logit">{result.logits[k].toFixed(2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet" role="status">
        <span data-top={names[order[0]]}>{time.toFixed(0)} ms for this image, on this computer, in plain TypeScript.</span> The last column
        holds the logits, before the softmax. It knows only these ten classes and must choose one.
      </p>
    </div>
  );
}
