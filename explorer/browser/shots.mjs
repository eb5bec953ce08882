/** Pictures of the page to look at: `node browser/shots.mjs [NAME ...]` writes shots/. */
import { mkdirSync } from "node:fs";
import { launch, PAGE } from "./browser.mjs";

const CASES = {
  standard: "",
  groups: "c=4&f=4&g=2&n=4&k=2&pin=o0.0.0.0&ask=groups",
  transpose: "v=transpose&n=4&op=1&w=count&pin=o0.3.3.0",
  separable: "v=depthwise_separable&p=1&pp=1&pin=o1.2.3.0",
  dilated: "v=dilated&n=10&s=2&uses=1&x=ones&w=ones&pin=o0.1.1.0&ask=quarter",
  why34: "v=depthwise_separable&n=32&p=1&pp=1&c=1&f=1&x=ramp&w=blur&w1=ones&pin=o1.0.5.0&ask=34",
  large: "n=16&c=3&f=3&p=1",
  oned: "dims=1&n=9&p=1&v=standard",
  refused: "k=7",
  matrix: "panel=matrix&n=4&c=1&f=1&pin=o0.1.1.0",
  code: "panel=code&s=2&p=1",
  folded: "v=transpose&n=4&p=1&mode=reflect&op=1&w=count&pin=o0.1.1.0",
  search: "panel=search",
  save: "panel=save",
  chain: "tab=chain",
  chains9: "tab=chain&chain=24.3_c3.1.2.2.16_c3.1.2.2.16_c3.1.2.2.16",
  network: "tab=network",
  network2: "tab=network&img=3&spot=11.-1.1.1.5",
  proof: "tab=proof",
};
const wanted = process.argv.slice(2);
mkdirSync("shots", { recursive: true });
const browser = await launch();
for (const [name, fragment] of Object.entries(CASES)) {
  if (wanted.length && !wanted.some((w) => name === w.split("@")[0])) continue;
  for (const [width, scheme] of [[1280, "light"], [390, "light"], [1280, "dark"], [390, "dark"]]) {
    const at = `${width}${scheme === "dark" ? "d" : ""}`;
    const only = wanted.find((w) => w.split("@")[0] === name)?.split("@")[1];
    if (only ? only !== at : scheme === "dark" && name !== "standard") continue;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
    page.on("console", (m) => m.type() === "error" && console.log(name, m.text()));
    page.on("pageerror", (e) => console.log(name, e.message));
    await page.goto(`${PAGE}#${fragment}`);
    await page.waitForTimeout(400);
    // As tall as the page, so that what sticks to the window's edge lies where it belongs.
    await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
    await page.waitForTimeout(100);
    await page.screenshot({ path: `shots/${name}-${at}.png`, fullPage: true });
    await page.close();
  }
}
await browser.close();
