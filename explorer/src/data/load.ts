/** What the page carries, decoded when it is first asked for. */

import adjointText from "base64:adjoint";
import drawingsText from "base64:drawings";
import gridText from "base64:grid";
import lineText from "base64:line";
import modesText from "base64:modes";
import weightsText from "base64:weights";
import { unpack } from "../math/packing";
import { readCases, type StoredCase } from "../math/proof";

export function decode(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

export const weights = once(() => unpack(decode(weightsText)));

const drawings = once(() => decode(drawingsText));
export const DRAWN = 10;
/** RGB bytes, [32, 32, 3]. */
export const drawing = (index: number): Uint8Array => drawings().subarray(3072 * index, 3072 * (index + 1));

/** The stored PyTorch cases, in four files. */
export const cases = once(async (): Promise<StoredCase[]> => {
  const files = [[gridText, "grid"], [modesText, "modes"], [lineText, "line"], [adjointText, "adjoint"]] as const;
  const read = await Promise.all(files.map(([text, seed]) => readCases(decode(text), seed)));
  return read.flat();
});
