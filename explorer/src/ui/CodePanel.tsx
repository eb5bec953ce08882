/** Code for this very case, to copy. */

import { useState } from "preact/hooks";
import { snippets } from "../math/code";
import { normalise } from "../math/options";
import { numbers, refused, state, steps } from "./store";

export function CodePanel() {
  const [chosen, choose] = useState("PyTorch");
  const [withNumbers, setNumbers] = useState(false);
  if (refused.value) return <p>The options are refused, so there is no code for them.</p>;
  const { maps, weights } = numbers.value;
  const few = maps[0].length + weights.reduce((n, w) => n + w.length, 0) <= 400;
  const all = snippets({
    options: normalise(state.value.options),
    steps: steps.value,
    ...(withNumbers && few && { numbers: { x: maps[0], kernels: weights } }),
  });
  const shown = all.find((snippet) => snippet.name === chosen) ?? all[0];
  return (
    <div class="code">
      <div class="choices" role="radiogroup" aria-label="Library">
        {all.map(({ name, code }) => (
          <label key={name} class={name === chosen ? "on" : ""}>
            <input type="radio" name="library" checked={name === chosen} onChange={() => choose(name)} />
            {name}
            {!code && <small> (cannot)</small>}
          </label>
        ))}
        {few && (
          <label class="toggle">
            <input type="checkbox" checked={withNumbers} onChange={(event) => setNumbers(event.currentTarget.checked)} />
            With these numbers <small>(PyTorch, jaxconv)</small>
          </label>
        )}
      </div>
      {shown.code ? <Copyable text={shown.code} /> : <p><b>{shown.name} cannot say this.</b> {shown.note}</p>}
      {shown.code && shown.note && <p class="quiet">{shown.note}</p>}
    </div>
  );
}

export function Copyable({ text }: { text: string }) {
  const [said, say] = useState("Copy");
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => say("Copied"),
      () => say("Select the text and press Ctrl+C"),
    );
    setTimeout(() => say("Copy"), 2000);
  };
  return (
    <div class="copyable">
      <pre tabIndex={0}><code>{text}</code></pre>
      <button type="button" onClick={copy} aria-live="polite">{said}</button>
    </div>
  );
}
