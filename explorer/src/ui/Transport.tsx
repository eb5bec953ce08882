/** Play, pause, step and speed. */

import { useEffect } from "preact/hooks";
import { SPEEDS } from "../math/link";
import { cursor, narrow, outputTotal, playing, set, state } from "./store";
import { count } from "./text";

export function Transport() {
  const { speed } = state.value;
  useEffect(run, [playing.value, speed]);
  const move = (by: number) => {
    playing.value = false;
    set({ pin: null });
    const total = outputTotal.value;
    cursor.value = (cursor.value + by + total) % total;
  };
  const toggle = () => {
    if (!playing.value && cursor.value >= outputTotal.value - 1) cursor.value = 0;
    playing.value = !playing.value;
  };
  return (
    <div class="transport" role="group" aria-label="Player">
      <button type="button" aria-label="One step back" onClick={() => move(-1)}>‹</button>
      <button type="button" class="play" aria-pressed={playing.value} onClick={toggle}>
        {playing.value ? "Pause" : "Play"}
      </button>
      <button type="button" aria-label="One step on" onClick={() => move(1)}>›</button>
      <input
        type="range" min="0" max={outputTotal.value - 1} value={cursor.value} aria-label="Output number"
        onInput={(event) => {
          playing.value = false;
          set({ pin: null });
          cursor.value = Number(event.currentTarget.value);
        }}
      />
      <span class="place">{count(cursor.value + 1)}{narrow.value ? "/" : " of "}{count(outputTotal.value)}</span>
      <label>
        Speed{" "}
        <select aria-label="Speed" value={String(speed)} onChange={(event) => set({ speed: Number(event.currentTarget.value) })}>
          {SPEEDS.map((each) => <option key={each} value={String(each)}>{each} a second</option>)}
        </select>
      </label>
    </div>
  );
}

/** Moves the cursor with the clock, so that a slow frame skips numbers and not time. */
function run(): (() => void) | undefined {
  if (!playing.value) return undefined;
  const { speed } = state.value;
  const from = cursor.value;
  let begin: number | undefined;
  let frame = requestAnimationFrame(function tick(now) {
    if (!playing.value) return; // paused since, and not yet drawn
    begin ??= now;
    const next = from + Math.floor(((now - begin) / 1000) * speed);
    if (next >= outputTotal.value) {
      cursor.value = outputTotal.value - 1;
      playing.value = false;
      return;
    }
    if (next !== cursor.value) cursor.value = next;
    frame = requestAnimationFrame(tick);
  });
  return () => cancelAnimationFrame(frame);
}
