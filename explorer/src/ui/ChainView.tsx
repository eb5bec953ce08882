/** A stack of layers that grows while you watch what one number of the last map depends on. */

import { useState } from "preact/hooks";
import { range } from "../math/axis";
import { chainRows, CHAINS, dependence, LAYER, type Chain, type ChainRow, type Fraction, type Layer } from "../math/chain";
import { Stepper } from "./Controls";
import { narrow, set, state } from "./store";
import { count } from "./text";

const LIMITS = { kernel: 15, stride: 8, padding: 32, dilation: 32, features: 1024 } as const;

export function ChainView() {
  const { chain } = state.value;
  const { rows, problem } = chainRows(chain);
  const [picked, pick] = useState<number | null>(null);
  const last = rows[rows.length - 1]?.size ?? chain.size;
  const output = Math.min(picked ?? last >> 1, last - 1);
  const seen = dependence(rows, output);
  const change = (more: Partial<Chain>) => set({ chain: { ...chain, ...more } });
  const setLayer = (at: number, more: Partial<Layer>) =>
    change({ layers: chain.layers.map((layer, i) => (i === at ? { ...layer, ...more } : layer)) });
  return (
    <section class="chain" aria-labelledby="chain-title">
      <h2 id="chain-title">What does a stack of layers see?</h2>
      <p>
        One number of the last map depends on a patch of the image: its <b>receptive field</b>. The <b>jump</b> is the distance, in
        image pixels, between the centres of two neighbours of a map. Each layer adds <i>jump · (effective kernel − 1)</i> to the field and multiplies the jump by its
        stride.
      </p>
      <div class="choices" role="group" aria-label="Stacks to start from">
        {Object.entries(CHAINS).map(([name, each]) => (
          <button key={name} type="button" onClick={() => { pick(null); set({ chain: each }); }}>{name}</button>
        ))}
      </div>
      <div class="scroll">
        <Diagram chain={chain} rows={rows} seen={seen} output={output} onPick={pick} />
      </div>
      <div class="chain-facts">
        <Patch size={chain.size} seen={seen[0]} />
        <p role="status">
          {rows.length > 0 && (
            <>
              After {rows.length === 1 ? "one layer" : `${rows.length} layers`} a number sees <b>{rows[rows.length - 1].field}×{rows[rows.length - 1].field}</b>{" "}
              pixels of image and padding. This one reads <b>{count(seen[0].size ** 2)}</b> pixels{hull(seen[0]) > seen[0].size && <> out of the {hull(seen[0])}×{hull(seen[0])} that it spans: the rest are holes that no weight touches</>}.
              In all {count(rows.reduce((n, r) => n + r.weights, 0))} weights and {count(rows.reduce((n, r) => n + r.multiplyAdds, 0))} multiply-adds.
            </>
          )}
          {problem && <span class="why">{problem}</span>}
        </p>
      </div>
      <div class="scroll">
        <table class="layers">
          <thead>
            <tr>
              <th>layer</th><th>kernel</th><th>stride</th><th>padding</th><th>dilation</th><th>channels</th>
              <th>size</th><th>jump</th><th>field</th><th>weights</th><th><span class="visually-hidden">remove</span></th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">image</th>
              <td colSpan={4}><label class="inline">size <Stepper label="Image size" value={chain.size} least={1} onSet={(n) => n >= 1 && n <= 128 && change({ size: n })} /></label></td>
              <td><Stepper label="Image channels" value={chain.channels} least={1} onSet={(n) => n >= 1 && n <= LIMITS.features && change({ channels: n })} /></td>
              <td>{chain.size}</td><td>1</td><td>1</td><td></td><td></td>
            </tr>
            {chain.layers.map((layer, i) => (
              <LayerRow key={i} index={i} layer={layer} row={rows[i]} onSet={(more) => setLayer(i, more)} onRemove={() => change({ layers: chain.layers.filter((_, at) => at !== i) })} />
            ))}
          </tbody>
        </table>
      </div>
      <p class="buttons">
        <button type="button" onClick={() => change({ layers: [...chain.layers, LAYER] })} disabled={chain.layers.length >= 40}>Add a 3×3 layer</button>
        <button type="button" onClick={() => change({ layers: [...chain.layers, { ...LAYER, stride: 2 }] })} disabled={chain.layers.length >= 40}>Add one with stride 2</button>
        <button type="button" onClick={() => change({ layers: [...chain.layers, { ...LAYER, dilation: 2, padding: 2 }] })} disabled={chain.layers.length >= 40}>Add one with dilation 2</button>
        <button type="button" onClick={() => change({ layers: [...chain.layers, { ...LAYER, kind: "depthwise" }] })} disabled={chain.layers.length >= 40}>Add a depthwise one</button>
        <button type="button" onClick={() => change({ layers: [...chain.layers, { ...LAYER, kind: "transpose", kernel: 4, stride: 2 }] })} disabled={chain.layers.length >= 40}>Add a transposed one</button>
      </p>
    </section>
  );
}

const hull = (seen: Set<number>): number => (seen.size ? Math.max(...seen) - Math.min(...seen) + 1 : 0);

function LayerRow({ index, layer, row, onSet, onRemove }: { index: number; layer: Layer; row: ChainRow | undefined; onSet: (more: Partial<Layer>) => void; onRemove: () => void }) {
  const cell = (field: keyof typeof LIMITS) => (
    <td>
      <Stepper
        label={`Layer ${index + 1}, ${field}`} value={layer[field]} least={field === "padding" ? 0 : 1}
        onSet={(n) => n >= (field === "padding" ? 0 : 1) && n <= LIMITS[field] && onSet({ [field]: n })}
      />
    </td>
  );
  const fraction = ([over, under]: Fraction) => (under === 1 ? `${over}` : `${over}/${under}`);
  return (
    <tr class={row ? "" : "refused"}>
      <th scope="row">{index + 1} {layer.kind !== "conv" && <small>{layer.kind === "transpose" ? "transposed" : "depthwise"}</small>}</th>
      {cell("kernel")}{cell("stride")}{cell("padding")}{cell("dilation")}{layer.kind === "depthwise" ? <td><small>as before</small></td> : cell("features")}
      {row ? (
        <><td>{row.size}</td><td>{fraction(row.jump)}</td><td><b>{row.field}</b></td><td>{count(row.weights)}</td></>
      ) : (
        <td colSpan={4} class="why">nothing left</td>
      )}
      <td><button type="button" class="plain" aria-label={`Remove layer ${index + 1}`} onClick={onRemove}>×</button></td>
    </tr>
  );
}

interface DiagramProps {
  chain: Chain;
  rows: readonly ChainRow[];
  seen: readonly Set<number>[];
  output: number;
  onPick: (output: number) => void;
}

/** One axis of every map, the image below; what the chosen output depends on is filled. */
function Diagram({ chain, rows, seen, output, onPick }: DiagramProps) {
  const sizes = [chain.size, ...rows.map((row) => row.size)];
  const [width, margin] = narrow.value ? [440, 62] : [960, 80];
  const gap = Math.max(30, Math.min(56, 330 / Math.max(sizes.length, 2)));
  const height = gap * (sizes.length - 1) + 40;
  const widest = Math.max(...sizes);
  const pitch = Math.min(26, (width - margin - 10) / widest);
  const radius = Math.max(1.5, Math.min(8, pitch * 0.36));
  // All maps over the same stretch of image: neighbours of a strided map stand wider apart.
  const span = pitch * (widest - 1);
  const x = (level: number, index: number) => {
    const n = sizes[level];
    return margin + (width - margin - 10) / 2 - span / 2 + (n === 1 ? span / 2 : (index * span) / (n - 1));
  };
  const y = (level: number) => height - 20 - level * gap;
  const lines = rows.flatMap((row, level) =>
    [...seen[level + 1]].flatMap((above) =>
      row.axis.reads[above].flatMap((read) => {
        const at = row.axis.line[read.place].at;
        return at === null ? [] : [<line key={`${level}.${above}.${at}.${read.tap}`} x1={x(level + 1, above)} y1={y(level + 1)} x2={x(level, at)} y2={y(level)} />];
      }),
    ),
  );
  const top = sizes.length - 1;
  const move = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    onPick(Math.max(0, Math.min(sizes[top] - 1, output + by)));
  };
  return (
    <svg
      class="diagram" viewBox={`0 0 ${width} ${height}`} tabIndex={0} role="application" onKeyDown={move}
      aria-label={`One axis of each map. Output ${output + 1} of ${sizes[top]} is chosen; it reads ${seen[0].size} of ${chain.size} pixels. Arrow keys choose another.`}
      onPointerMove={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const at = ((event.clientX - box.left) / box.width) * width;
        const best = range(sizes[top]).reduce((a, b) => (Math.abs(x(top, b) - at) < Math.abs(x(top, a) - at) ? b : a), 0);
        onPick(best);
      }}
    >
      <g class="links">{lines.length < 4000 ? lines : null}</g>
      {sizes.map((size, level) => (
        <g key={level} class={level === 0 ? "input" : "map"}>
          <text x="4" y={y(level)} dy="0.35em">{level === 0 ? "image" : `layer ${level}`}</text>
          {range(size).map((i) => (
            <circle key={i} cx={x(level, i)} cy={y(level)} r={radius} class={seen[level].has(i) ? "on" : ""} />
          ))}
        </g>
      ))}
    </svg>
  );
}

/** The image from above: the pixels that are read, in both axes. */
function Patch({ size, seen }: { size: number; seen: Set<number> }) {
  const rows = [...seen].flatMap((row) => [...seen].map((col) => `M${col} ${row}h.9v.9h-.9z`));
  return (
    <svg class="patch" viewBox={`-0.3 -0.3 ${size + 0.6} ${size + 0.6}`} role="img" aria-label={`Of ${size} by ${size} pixels ${seen.size ** 2} are read`}>
      <rect x="-0.2" y="-0.2" width={size + 0.3} height={size + 0.3} />
      <path d={rows.join("")} />
    </svg>
  );
}
