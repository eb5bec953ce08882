/** Replays the stored PyTorch cases in this very page, with the code that drew the pictures. */

import { useState } from "preact/hooks";
import { cases } from "../data/load";
import { replay, TOLERANCE, type StoredCase, type Verdict } from "../math/proof";
import { format, initial } from "../math/link";
import { caseOptions } from "../math/proof";
import { plan } from "../math/options";
import { count } from "./text";
import { go } from "./store";

interface Outcome {
  readonly stored: StoredCase;
  readonly verdict: Verdict;
}

export function ProofView() {
  const [done, setDone] = useState<readonly Outcome[]>([]);
  const [running, setRunning] = useState(false);
  const [total, setTotal] = useState(0);
  const [seconds, setSeconds] = useState(0);
  const start = async () => {
    setRunning(true);
    setDone([]);
    const all = await cases();
    setTotal(all.length);
    const begin = performance.now();
    const outcomes: Outcome[] = [];
    for (const stored of all) {
      outcomes.push({ stored, verdict: replay(stored) });
      if (outcomes.length % 16 === 0) {
        setDone([...outcomes]);
        await new Promise((next) => setTimeout(next)); // lets the page draw
      }
    }
    setDone(outcomes);
    setSeconds((performance.now() - begin) / 1000);
    setRunning(false);
  };
  const agree = done.filter((outcome) => outcome.verdict.agrees).length;
  const numbers = done.reduce((n, outcome) => n + outcome.verdict.numbers, 0);
  const worst = Math.max(0, ...done.map((outcome) => outcome.verdict.difference));
  const finished = !running && done.length > 0;
  return (
    <section class="proof" aria-labelledby="proof-title">
      <h2 id="proof-title">Does this page compute what PyTorch computes?</h2>
      <p>
        The page carries what PyTorch computed, in double precision, for a few hundred cases: every variant, rectangular options, groups,
        padding modes, one and two axes, output padding. Where PyTorch's transposed convolution refuses a padding mode, the case holds
        the gradient of its convolution with that mode, which is the same thing. Each case has the outputs and the gradients with
        respect to input and weights, which are what the reverse views show: which outputs a number reaches.
      </p>
      <p class="buttons">
        <button type="button" class="primary" disabled={running} onClick={() => void start()}>
          {running ? "Running…" : done.length ? "Run again" : "Replay the cases here"}
        </button>
      </p>
      {(running || finished) && <progress max={total || 1} value={done.length} aria-label="Cases replayed" />}
      <p class={`verdict${finished && agree < total ? " bad" : ""}`} role="status">
        {finished && (
          <>
            <b>{count(agree)} of {count(total)}</b> cases agree: {count(numbers)} numbers, the largest difference{" "}
            {worst.toExponential(1)} of the largest value (allowed: {TOLERANCE.toExponential(0)}), in {seconds.toFixed(2)} s.
          </>
        )}
      </p>
      {finished && <Table done={done} />}
    </section>
  );
}

function Table({ done }: { done: readonly Outcome[] }) {
  const names = [...new Set(done.map((outcome) => outcome.stored.function))];
  const failed = done.filter((outcome) => !outcome.verdict.agrees);
  return (
    <>
      <div class="scroll">
        <table>
          <thead>
            <tr><th>function</th><th>cases</th><th>agree</th><th>numbers</th><th>largest difference</th><th>a case to look at</th></tr>
          </thead>
          <tbody>
            {names.map((name) => {
              const own = done.filter((outcome) => outcome.stored.function === name);
              const shown = own.map((outcome) => outcome.stored).find(drawable);
              return (
                <tr key={name}>
                  <th scope="row"><code>{name}</code></th>
                  <td>{own.length}</td>
                  <td>{own.filter((outcome) => outcome.verdict.agrees).length}</td>
                  <td>{count(own.reduce((n, outcome) => n + outcome.verdict.numbers, 0))}</td>
                  <td>{Math.max(...own.map((outcome) => outcome.verdict.difference)).toExponential(1)}</td>
                  <td>{shown && <button type="button" class="plain" onClick={() => go(link(shown))}>open its options</button>}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {failed.length > 0 && (
        <ul class="failed">
          {failed.map(({ stored, verdict }) => (
            <li key={`${stored.seed}${stored.number}`}>
              <code>{stored.function} {JSON.stringify(stored.options)}</code> of x {stored.x.join("×")}: {verdict.reason}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Small enough for the picture, and with more options than a first case has. */
const drawable = (stored: StoredCase): boolean =>
  Object.keys(stored.options).length > 1 && stored.x[3] < 5 && plan(caseOptions(stored)).problems.length === 0;

const link = (stored: StoredCase): string => format({ ...initial(caseOptions(stored).variant), options: caseOptions(stored) });
