/** The state as a link, the picture as a file, and the command that draws it as a film. */

import { useState } from "preact/hooks";
import { animateCommand } from "../math/code";
import { normalise } from "../math/options";
import { Copyable } from "./CodePanel";
import { download, pictureSvg, svgToPng } from "./export";
import { fragment, refused, state, steps } from "./store";

export function SavePanel() {
  const [failed, fail] = useState<string | null>(null);
  const name = `jaxconv_${state.value.options.variant}`;
  const save = (kind: "svg" | "png") => {
    fail(null);
    const svg = pictureSvg(document.getElementById("picture")!);
    if (kind === "svg") return download(`${name}.svg`, new Blob([svg], { type: "image/svg+xml" }));
    svgToPng(svg).then((png) => download(`${name}.png`, png), (error: Error) => fail(error.message));
  };
  const film = refused.value
    ? { command: null, note: "" }
    : animateCommand(normalise(state.value.options), steps.value);
  return (
    <div class="save">
      <h3>Link</h3>
      <p>The address holds all of it: options, numbers, what is pinned.</p>
      <Copyable text={`${location.href.split("#")[0]}#${fragment.value}`} />
      <h3>Picture</h3>
      <p class="buttons">
        <button type="button" onClick={() => save("svg")}>Save as SVG</button>
        <button type="button" onClick={() => save("png")}>Save as PNG</button>
      </p>
      {failed && <p class="why" role="alert">{failed}</p>}
      <h3>Film</h3>
      {film.command ? (
        <>
          <p>{film.note}</p>
          <Copyable text={film.command} />
        </>
      ) : (
        <p>{refused.value ? "The options are refused, so there is no film of them." : `python -m jaxconv animate cannot draw this one. ${film.note}`}</p>
      )}
    </div>
  );
}
