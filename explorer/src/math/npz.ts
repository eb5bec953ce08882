/** Reads NumPy's .npz: a zip of .npy files, of the types that the stored cases use. */

export interface NpArray {
  readonly shape: number[];
  readonly data: Float32Array | Int16Array | string;
}

export async function readNpz(bytes: Uint8Array): Promise<Record<string, NpArray>> {
  const arrays: Record<string, NpArray> = {};
  for (const { name, method, body } of entries(bytes)) {
    if (method !== 0 && method !== 8) throw new Error(`${name}: zip method ${method}, expected 0 or 8`);
    arrays[name.replace(/\.npy$/, "")] = readNpy(name, method ? await inflate(body) : body);
  }
  return arrays;
}

export async function inflate(body: Uint8Array): Promise<Uint8Array> {
  const source = new Blob([body as BlobPart]).stream();
  const stream = source.pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The files of a zip by its central directory, which knows sizes that local headers may not. */
function* entries(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new Error("not a zip file: it has no directory");
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left; left--) {
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const body = bytes.subarray(start, start + view.getUint32(at + 20, true));
    yield { name, method: view.getUint16(at + 10, true), body };
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
}

function readNpy(name: string, bytes: Uint8Array): NpArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] > 1;
  const start = long ? 12 : 10;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const type = /'descr': '([^']+)'/.exec(header)?.[1] ?? "";
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "").match(/\d+/g)?.map(Number) ?? [];
  const body = bytes.slice(start + length);
  if (type === "<f4") return { shape, data: new Float32Array(body.buffer) };
  if (type === "<i2") return { shape, data: new Int16Array(body.buffer) };
  if (type.startsWith("<U")) {
    const points = new Uint32Array(body.buffer);
    let text = "";
    for (let i = 0; i < points.length; i += 4096)
      text += String.fromCodePoint(...points.subarray(i, i + 4096));
    return { shape, data: text.replace(/\0+$/, "") };
  }
  throw new Error(`${name}: numbers of type ${type}, expected <f4, <i2 or text`);
}
