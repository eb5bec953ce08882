/** What follows from the options, one panel at a time. */

import { PANELS, type Panel } from "../math/link";
import { CodePanel } from "./CodePanel";
import { CostPanel } from "./CostPanel";
import { MatrixPanel } from "./MatrixPanel";
import { SavePanel } from "./SavePanel";
import { SearchPanel } from "./SearchPanel";
import { set, state } from "./store";

const NAMES: Record<Panel, string> = {
  cost: "Size and cost",
  matrix: "As a matrix",
  code: "Code",
  search: "Find options",
  save: "Save and share",
};

const VIEWS = { cost: CostPanel, matrix: MatrixPanel, code: CodePanel, search: SearchPanel, save: SavePanel };

export function Panels() {
  const { panel } = state.value;
  const View = VIEWS[panel];
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = PANELS[(PANELS.indexOf(panel) + by + PANELS.length) % PANELS.length];
    set({ panel: next });
    document.getElementById(`tab-${next}`)?.focus();
    event.preventDefault();
  };
  return (
    <section class="panels" aria-label="What follows">
      <div role="tablist" class="tablist" onKeyDown={move}>
        {PANELS.map((key) => (
          <button
            key={key} id={`tab-${key}`} type="button" role="tab" aria-selected={key === panel} aria-controls="panel"
            tabIndex={key === panel ? 0 : -1} onClick={() => set({ panel: key })}
          >
            {NAMES[key]}
          </button>
        ))}
      </div>
      <div id="panel" role="tabpanel" aria-labelledby={`tab-${panel}`} class="panel">
        <View />
      </div>
    </section>
  );
}
