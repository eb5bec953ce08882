import { describe, expect, it } from "vitest";
import { format, initial, parse, type State } from "../src/math/link";
import { VARIANTS } from "../src/math/options";
import { imageText, readImage } from "../src/math/values";
import { CHAINS } from "../src/math/chain";
import { QUESTIONS } from "../src/ui/questions";
import { plan } from "../src/math/options";

const image = Uint8Array.from({ length: 3072 }, (_, i) => (i * 31) % 256);

describe("the address", () => {
  it.each(VARIANTS)("is empty, or nearly, for the defaults of %s", (variant) => {
    const text = format(initial(variant));
    expect(text).toBe(variant === "standard" ? "" : `v=${variant}`);
    expect(parse(text)).toEqual({ state: initial(variant), unread: [] });
  });

  it("holds the whole state", () => {
    const start = initial("transpose");
    const state: State = {
      ...start,
      tab: "network", panel: "matrix", uses: true, transposed: true, speed: 16, search: { from: 5, to: 9 }, picture: "own", image, note: "34",
      options: {
        ...start.options, dims: 1, size: [3, 7], kernel: [2, 4], stride: [3, 1], padding: "same", dilation: [1, 2], outputPadding: [2, 1],
        pointwisePadding: [1, 0], channels: 4, features: 6, multiplier: 2, middle: 3, groups: 2, mode: "reflect",
      },
      input: { preset: "edge", edits: { "0.1.2": -2.5, "3.4.0": 7 } },
      kernels: [{ preset: "blur", edits: { "0.0.0.1": 0 } }, { preset: "ones", edits: {} }],
      pin: { step: 1, target: { kind: "weight", row: 1, col: 2, channel: 0, feature: 3 } },
      chain: CHAINS.S9Net,
      spot: { block: 11, pass: -1, row: 2, col: 0, channel: 63 },
    };
    const text = format(state);
    expect(text).toMatch(/^[\w=&.,:-]*$/); // nothing that a chat or an e-mail would break
    expect(parse(`#${text}`)).toEqual({ state, unread: [] });
  });

  it("keeps negative and refused numbers, so that a refusal can be sent", () => {
    expect(format(parse("s=0&p=-1&k=99").state)).toBe("k=99&s=0&p=-1");
  });

  it("tells what it cannot read, and reads the rest", () => {
    const { state, unread } = parse("k=abc&n=6&foo=1&w=edge,1.2:3&x=ramp,0.0.0:NaN&pin=o9&image=123&chain=zz&%");
    expect(state.options.size).toEqual([6, 6]);
    expect(unread.sort()).toEqual(["%", "chain=zz", "foo=1", "image=123", "k=abc", "pin=o9", "w=edge,1.2:3", "x=ramp,0.0.0:NaN"]);
  });

  it("carries an image", () => {
    expect(readImage(imageText(image))).toEqual(image);
    expect(readImage("x".repeat(4095))).toBeNull();
  });

  it.each(QUESTIONS.map((q) => [q.ask, q.link] as const))("of the question “%s” is a case that fits", (_, link) => {
    const { state, unread } = parse(link);
    expect(unread).toEqual([]);
    expect(plan(state.options).problems).toEqual([]);
    expect(state.pin).not.toBeNull();
  });
});
