import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "../src/math/link";
import { plan } from "../src/math/options";

const links = ["convolutions.md", "explore.md", "network.md"].flatMap((page) => {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), "utf8");
  return [...text.matchAll(/"explorer\.html#([^"]+)"/g)].map(([, fragment]) => [page, fragment.replaceAll("&amp;", "&")] as const);
});

describe("the links of the documentation", () => {
  it("are there", () => expect(links.length).toBeGreaterThanOrEqual(14));
  it.each(links)("%s: %s", (_, fragment) => {
    const { state, unread } = parse(fragment);
    expect(unread).toEqual([]);
    expect(plan(state.options).problems).toEqual([]);
  });
});
