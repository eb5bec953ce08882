/** The page: a title, four tabs, and the one that is open. */

import { useLayoutEffect } from "preact/hooks";
import type { Tab } from "../math/link";
import { ChainView } from "./ChainView";
import { Explore } from "./Explore";
import { NetworkView } from "./NetworkView";
import { ProofView } from "./ProofView";
import { set, state, theme, unread } from "./store";

/** The site that this copy of the page is part of, where it is part of one. */
const SITE = document.querySelector<HTMLMetaElement>('meta[name="site"]')?.content;

const TABS: Record<Tab, string> = {
  explore: "Explore",
  chain: "Chain",
  network: "Network",
  proof: "Proof",
};

export function App() {
  const { tab } = state.value;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.getElementById("main")?.focus();
      }}>Skip to the picture</a>
      <header class="top">
        <div>
          <h1>Convolutions, number by number</h1>
          <p class="lead">
            Point at a number to see what it is made of. Change any option, any number.
            {SITE && <> <a href={SITE}>Back to the documentation</a></>}
          </p>
        </div>
        <nav aria-label="Parts of the page" class="tabs">
          {(Object.keys(TABS) as Tab[]).map((key) => (
            <button key={key} type="button" aria-current={key === tab ? "page" : undefined} onClick={() => set({ tab: key })}>
              {TABS[key]}
            </button>
          ))}
          <Theme />
        </nav>
      </header>
      {unread.value.length > 0 && (
        <p class="unread" role="status">
          The page left out parts of this link that it cannot read: <code>{unread.value.join(", ")}</code>{" "}
          <button type="button" class="plain" onClick={() => (unread.value = [])}>Close</button>
        </p>
      )}
      <main id="main" tabIndex={-1}>
        {tab === "explore" && <Explore />}
        {tab === "chain" && <ChainView />}
        {tab === "network" && <NetworkView />}
        {tab === "proof" && <ProofView />}
      </main>
      <footer>
        Made by <b>jaxconv</b>, whose convolutions compute these same numbers in JAX. Everything runs in this one file; nothing is sent.
      </footer>
    </>
  );
}

/** Light, dark, or as the system has it. */
function Theme() {
  const now = theme.value;
  useLayoutEffect(() => {
    if (now === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
  }, [now]);
  const next = { system: "light", light: "dark", dark: "system" } as const;
  return (
    <button type="button" class="theme" onClick={() => (theme.value = next[now])} aria-label={`Colours: ${now}. Change`} title={`Colours: ${now}`}>
      {{ system: "◐", light: "○", dark: "●" }[now]}
    </button>
  );
}
