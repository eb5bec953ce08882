/** Numbers and sizes as the page writes them. */

import type { Pair } from "../math/stage";

/** A true minus sign, and at most three decimals. */
export function number(value: number): string {
  const rounded = Math.abs(value) >= 1e5 ? value.toPrecision(3) : String(Math.round(value * 1000) / 1000);
  return rounded.replace("-", "−");
}

/** What fits into a cell. */
export function short(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e4) return number(value);
  if (Math.abs(value) >= 1e4) return number(Number(value.toPrecision(2)));
  return number(Math.round(value * (Math.abs(value) < 10 ? 100 : 10)) / (Math.abs(value) < 10 ? 100 : 10));
}

export const count = (value: number): string => value.toLocaleString("en-US");
export const by = (size: Pair, dims: 1 | 2): string => (dims === 1 ? `${size[1]}` : `${size[0]}×${size[1]}`);
export const plural = (n: number, word: string): string => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

/** In a sum, a negative number stands in brackets. */
export const factor = (value: number): string => (value < 0 ? `(${number(value)})` : number(value));

export function range(numbers: readonly number[]): string {
  if (!numbers.length) return "none";
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  return low === high ? `${low}` : `${low} to ${high}`;
}
