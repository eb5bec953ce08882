/** Debian's Chromium, driven by playwright-core, on the built page at its file:// address. */
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

export const PAGE = pathToFileURL(
  process.env.EXPLORER_PAGE ?? fileURLToPath(new URL("../dist/index.html", import.meta.url)),
).href;

const executablePath =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update",
];

/** A browser without a window. Its cookies and settings are those of a fresh profile. */
export function launch(more = []) {
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...more] });
}
