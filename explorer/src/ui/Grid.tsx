/** A grid of numbers, drawn as SVG: numbers below, marks of this moment above, arrow keys through it. */

import { memo } from "preact/compat";
import { useRef, useState } from "preact/hooks";
import { short } from "./text";

export type CellKind = "pixel" | "padding" | "hole" | "cropped" | "empty";
export type Tone = "input" | "kernel" | "output" | "product";

export interface Mark {
  readonly row: number;
  readonly col: number;
  readonly look: "window" | "reach" | "chosen" | "seen";
  /** The weight that this cell meets. */
  readonly tag?: string | undefined;
}

export interface Numbers {
  readonly rows: number;
  readonly cols: number;
  readonly value: (row: number, col: number) => number;
  readonly kind?: (row: number, col: number) => CellKind;
  /** Changes where what is drawn changes. */
  readonly version: unknown;
}

interface Props extends Numbers {
  readonly label: string;
  readonly tone: Tone;
  readonly cell: number;
  readonly marks?: readonly Mark[];
  readonly dim?: boolean;
  /** False keeps it out of the order of the Tab key, where there are many like it. */
  readonly reachable?: boolean;
  readonly frame?: readonly [top: number, left: number, rows: number, cols: number] | undefined;
  readonly onHover?: ((row: number, col: number) => void) | undefined;
  /** Where the arrow keys move without a hover. */
  readonly onKeyMove?: ((row: number, col: number) => void) | undefined;
  readonly onLeave?: (() => void) | undefined;
  readonly onPick?: ((row: number, col: number) => void) | undefined;
  readonly onType?: ((row: number, col: number, value: number) => void) | undefined;
  readonly at?: readonly [number, number] | undefined;
}

const GAP = 1;

export function Grid(props: Props) {
  const { rows, cols, cell, marks = [], tone, onHover, onKeyMove, onPick, onType, at } = props;
  const svg = useRef<SVGSVGElement>(null);
  const typed = useRef({ text: "", place: "" });
  // Where the keys are, on a cell without a target too, such as padding; the pointer takes it away.
  const [spot, setSpot] = useState<readonly [number, number] | null>(null);
  const [width, height] = [cols * cell + 2, rows * cell + 2];
  const place = (event: PointerEvent | MouseEvent): [number, number] | null => {
    const box = svg.current!.getBoundingClientRect();
    const col = Math.floor((((event.clientX - box.left) / box.width) * width - 1) / cell);
    const row = Math.floor((((event.clientY - box.top) / box.height) * height - 1) / cell);
    return row >= 0 && row < rows && col >= 0 && col < cols ? [row, col] : null;
  };
  const keys = (event: KeyboardEvent) => {
    const from = spot ?? at;
    const [row, col] = from ?? [0, 0];
    const steps: Record<string, [number, number]> = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    };
    const step = steps[event.key];
    if (step) {
      const clamp = (n: number, most: number) => Math.max(0, Math.min(most - 1, n));
      const to = [clamp(row + (from ? step[0] : 0), rows), clamp(col + (from ? step[1] : 0), cols)] as const;
      typed.current = { text: "", place: "" };
      setSpot(to);
      (onKeyMove ?? onHover)?.(...to);
    } else if (event.key === "Enter" || event.key === " ") onPick?.(row, col);
    else if (event.key === "Escape") {
      setSpot(null);
      props.onLeave?.();
    }
    else if (onType && /^[-\d.]$/.test(event.key) && !event.ctrlKey && !event.metaKey) {
      const here = `${row}.${col}`;
      const text = (typed.current.place === here ? typed.current.text : "") + event.key;
      typed.current = { text, place: here };
      if (Number.isFinite(Number(text))) onType(row, col, Number(text));
    } else if (onType && (event.key === "Backspace" || event.key === "Delete")) {
      typed.current = { text: "", place: "" };
      onType(row, col, 0);
    } else return;
    event.preventDefault();
  };
  const live = (onHover ?? onPick) !== undefined;
  return (
    <svg
      ref={svg}
      class={`grid ${tone}${props.dim ? " dim" : ""}${live ? " live" : ""}`}
      viewBox={`0 0 ${width} ${height}`}
      style={{ width: `${width}px` }}
      role={live ? "application" : "img"}
      aria-label={props.label + (live ? ". Arrow keys move, Enter pins." : "")}
      tabIndex={live ? (props.reachable === false ? -1 : 0) : undefined}
      data-grid={props.label}
      onPointerMove={(event) => {
        if (event.pointerType === "touch") return;
        setSpot(null);
        const found = place(event);
        if (found) onHover?.(...found);
      }}
      onPointerLeave={(event) => event.pointerType !== "touch" && props.onLeave?.()}
      onClick={(event) => {
        const found = place(event);
        if (found) onPick?.(...found);
      }}
      onFocus={() => {
        if (!live || at || !svg.current?.matches(":focus-visible")) return;
        setSpot([0, 0]);
        onHover?.(0, 0);
      }}
      onBlur={() => {
        typed.current = { text: "", place: "" };
        setSpot(null);
        props.onLeave?.();
      }}
      onKeyDown={keys}
    >
      <Base {...pickBase(props)} />
      {props.frame && <Frame box={props.frame} cell={cell} />}
      {marks.map((mark) => (
        <Overlay key={`${mark.row}.${mark.col}`} mark={mark} props={props} />
      ))}
      {spot && !marks.some((mark) => mark.row === spot[0] && mark.col === spot[1]) && (
        <g class="mark seen">
          <rect class="edge" x={1.5 + spot[1] * cell} y={1.5 + spot[0] * cell} width={cell - GAP - 1} height={cell - GAP - 1} />
        </g>
      )}
    </svg>
  );
}

const pickBase = ({ rows, cols, cell, tone, value, kind, version }: Props) =>
  ({ rows, cols, cell, tone, value, kind, version });

type BaseProps = ReturnType<typeof pickBase>;

/** The numbers without the marks: drawn anew only where the numbers change. */
const Base = memo(
  ({ rows, cols, cell, value, kind }: BaseProps) => {
    let most = 1e-9;
    for (let row = 0; row < rows; row++)
      for (let col = 0; col < cols; col++) most = Math.max(most, Math.abs(value(row, col)));
    const cells = [];
    for (let row = 0; row < rows; row++)
      for (let col = 0; col < cols; col++) {
        const what = kind?.(row, col) ?? "pixel";
        const v = value(row, col);
        const [x, y] = [1 + col * cell, 1 + row * cell];
        const side = cell - GAP;
        cells.push(<rect class={`cell ${what}`} x={x} y={y} width={side} height={side} />);
        if (what === "empty") continue;
        const strength = Math.abs(v) / most;
        if (what === "pixel" && strength > 0) {
          const opacity = (cell >= 18 ? 0.08 + 0.4 * strength : strength).toFixed(3);
          const sign = v < 0 ? "below" : "above";
          cells.push(<rect class={`tint ${sign}`} x={x} y={y} width={side} height={side} opacity={opacity} />);
        }
        if (cell >= 18) cells.push(label(short(v), x + side / 2, y + side / 2, cell, `number ${what}`));
      }
    return <g>{cells}</g>;
  },
  (before, after) =>
    before.version === after.version && before.cell === after.cell &&
    before.rows === after.rows && before.cols === after.cols,
);

function label(text: string, x: number, y: number, cell: number, cls: string) {
  const size = Math.min(cell * 0.44, 16) * Math.min(1, 3.4 / Math.max(text.length, 1));
  return (
    <text class={cls} x={x} y={y} font-size={size.toFixed(1)} dy="0.36em">
      {text}
    </text>
  );
}

function Overlay({ mark, props }: { mark: Mark; props: Props }) {
  const { cell, value, kind } = props;
  const [x, y] = [1 + mark.col * cell, 1 + mark.row * cell];
  const side = cell - GAP;
  const what = kind?.(mark.row, mark.col) ?? "pixel";
  const tagged = mark.tag !== undefined && cell >= 26;
  const text = short(value(mark.row, mark.col));
  const lift = tagged ? cell * 0.17 : 0;
  return (
    <g class={`mark ${mark.look}`}>
      <rect class="cover" x={x} y={y} width={side} height={side} />
      {cell >= 18 && what !== "empty" &&
        label(text, x + side / 2 - (tagged ? cell * 0.14 : 0), y + side / 2 - lift, cell * (tagged ? 0.9 : 1), "number")}
      {tagged && mark.tag !== undefined && (
        <g class="tag">
          <rect x={x + side * 0.42} y={y + side * 0.55} width={side * 0.58} height={side * 0.45} />
          {label(mark.tag, x + side * 0.71, y + side * 0.775, cell * 0.8, "number")}
        </g>
      )}
      <rect class="edge" x={x + 0.5} y={y + 0.5} width={side - 1} height={side - 1} />
    </g>
  );
}

function Frame({ box: [top, left, rows, cols], cell }: { box: readonly [number, number, number, number]; cell: number }) {
  return (
    <rect class="frame" x={1 + left * cell} y={1 + top * cell} width={cols * cell - GAP} height={rows * cell - GAP} />
  );
}
