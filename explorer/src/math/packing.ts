/**
 * The network's weights in little room: a kernel becomes whole numbers of 20 bits and a scale for
 * each output channel, which rounds by 2^-20 of the channel's largest weight and moves the logits by
 * some 1e-5. (float16 moves them by up to 5e-3.) Everything else stays float32.
 */

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface Entry {
  readonly name: string;
  readonly shape: number[];
  readonly packed: boolean;
}

/** From a safetensors file. */
export function pack(safetensors: Uint8Array): Uint8Array {
  const { tensors, card } = readSafetensors(safetensors);
  const names = Object.keys(tensors).sort();
  const entries: Entry[] = names.map((name) => ({
    name, shape: [...tensors[name].shape], packed: name.endsWith("kernel"),
  }));
  const head = new TextEncoder().encode(JSON.stringify({ entries, card }));
  const parts: Uint8Array[] = [];
  for (const { name, shape, packed } of entries) {
    const { data } = tensors[name];
    if (!packed) {
      parts.push(new Uint8Array(data.slice().buffer));
      continue;
    }
    const features = shape[shape.length - 1];
    const scales = new Float32Array(features);
    data.forEach((value, i) => (scales[i % features] = Math.max(scales[i % features], Math.abs(value))));
    scales.forEach((most, i) => (scales[i] = most / MOST || 1));
    const bytes = new Uint8Array(Math.ceil(2.5 * data.length));
    data.forEach((value, i) => {
      const whole = Math.max(-MOST, Math.min(MOST, Math.round(value / scales[i % features]))) + MOST;
      const at = Math.floor(2.5 * i); // an odd one begins in the upper half of a byte
      const bits = whole << (i % 2 ? 4 : 0);
      for (let k = 0; k < 3; k++) bytes[at + k] |= (bits >> (8 * k)) & 255;
    });
    parts.push(new Uint8Array(scales.buffer), bytes);
  }
  const size = new Uint8Array(new Uint32Array([head.length]).buffer);
  const all = [size, head, ...parts];
  const joined = new Uint8Array(all.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of all) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const MOST = 2 ** 19 - 1;

export interface Card {
  readonly class_names: readonly string[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly test_accuracy: number;
}

export function unpack(bytes: Uint8Array): { tensors: Record<string, Tensor>; card: Card } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headEnd = 4 + view.getUint32(0, true);
  const { entries, card } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, headEnd))) as {
    entries: Entry[];
    card: Card;
  };
  let at = headEnd;
  const floats = (count: number) => {
    const values = new Float32Array(bytes.slice(at, at + 4 * count).buffer);
    at += 4 * count;
    return values;
  };
  const tensors: Record<string, Tensor> = {};
  for (const { name, shape, packed } of entries) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (!packed) {
      tensors[name] = { shape, data: floats(count) };
      continue;
    }
    const features = shape[shape.length - 1];
    const scales = floats(features);
    const data = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const from = at + Math.floor(2.5 * i);
      const bits = bytes[from] | (bytes[from + 1] << 8) | (bytes[from + 2] << 16);
      const whole = (i % 2 ? bits >> 4 : bits) & 0xfffff;
      data[i] = (whole - MOST) * scales[i % features];
    }
    at += Math.ceil(2.5 * count);
    tensors[name] = { shape, data };
  }
  return { tensors, card };
}

function readSafetensors(bytes: Uint8Array): { tensors: Record<string, Tensor>; card: Card } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] } & Record<string, string>
  >;
  const tensors: Record<string, Tensor> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (entry.dtype !== "F32") throw new Error(`${name} is ${entry.dtype}, expected F32`);
    const [start, end] = entry.data_offsets.map((offset) => 8 + length + offset);
    tensors[name] = { shape: entry.shape, data: new Float32Array(bytes.slice(start, end).buffer) };
  }
  const { class_names, mean, std, test_accuracy } = JSON.parse(header.__metadata__.card) as Card;
  return { tensors, card: { class_names, mean, std, test_accuracy } };
}
