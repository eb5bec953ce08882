/**
 * Python's `random.Random(text).random()`, number for number: the Mersenne Twister, seeded by the
 * text and its SHA-512. The inputs of the stored PyTorch cases were drawn so, and are not stored.
 */

export class PythonRandom {
  private readonly state = new Uint32Array(624);
  private next = 624;

  constructor(text: string) {
    const bytes = new TextEncoder().encode(text);
    const seed = new Uint8Array([...bytes, ...sha512(bytes)]);
    this.seed(words(seed));
  }

  /** Uniform in [0, 1), with 53 bits. */
  random(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  private seed(key: Uint32Array): void {
    const { state } = this;
    state[0] = 19650218;
    for (let i = 1; i < 624; i++)
      state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    let i = 1;
    let j = 0;
    const step = () => {
      if (++i >= 624) {
        state[0] = state[623];
        i = 1;
      }
    };
    for (let k = Math.max(624, key.length); k; k--) {
      const mixed = Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1664525);
      state[i] = (state[i] ^ mixed) + key[j] + j;
      step();
      if (++j >= key.length) j = 0;
    }
    for (let k = 623; k; k--) {
      const mixed = Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1566083941);
      state[i] = (state[i] ^ mixed) - i;
      step();
    }
    state[0] = 0x80000000;
  }

  private word(): number {
    const { state } = this;
    if (this.next === 624) {
      for (let k = 0; k < 624; k++) {
        const y = (state[k] & 0x80000000) | (state[(k + 1) % 624] & 0x7fffffff);
        state[k] = state[(k + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.next = 0;
    }
    let y = state[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
}

/** Big-endian bytes as a number's 32-bit words, the lowest first, without leading zeros. */
function words(bytes: Uint8Array): Uint32Array {
  const count = Math.ceil(bytes.length / 4);
  const found = new Uint32Array(count);
  for (let i = 0; i < bytes.length; i++) {
    const place = bytes.length - 1 - i;
    found[place >> 2] |= bytes[i] << (8 * (place & 3));
  }
  let used = count;
  while (used > 1 && found[used - 1] === 0) used--;
  return found.subarray(0, used);
}

const MASK = (1n << 64n) - 1n;

/** The first 64 bits behind the point of the n-th roots of the first primes. */
function rootBits(count: number, degree: 2n | 3n): bigint[] {
  const bits: bigint[] = [];
  for (let candidate = 2; bits.length < count; candidate++) {
    let prime = true;
    for (let d = 2; d * d <= candidate; d++) if (candidate % d === 0) prime = false;
    if (!prime) continue;
    const target = BigInt(candidate) << (64n * degree);
    let root = 0n;
    for (let bit = 1n << 70n; bit; bit >>= 1n) if ((root | bit) ** degree <= target) root |= bit;
    bits.push(root & MASK);
  }
  return bits;
}

let constants: { start: bigint[]; rounds: bigint[] } | undefined;

export function sha512(message: Uint8Array): Uint8Array {
  constants ??= { start: rootBits(8, 2n), rounds: rootBits(80, 3n) };
  const { rounds } = constants;
  const hash = [...constants.start];
  const length = Math.ceil((message.length + 17) / 128) * 128;
  const padded = new Uint8Array(length);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(length - 8, BigInt(message.length * 8));
  const turn = (x: bigint, by: bigint) => (x >> by) | ((x << (64n - by)) & MASK);
  for (let block = 0; block < length; block += 128) {
    const w: bigint[] = [];
    for (let t = 0; t < 16; t++) w.push(view.getBigUint64(block + 8 * t));
    for (let t = 16; t < 80; t++) {
      const a = w[t - 15];
      const b = w[t - 2];
      const s0 = turn(a, 1n) ^ turn(a, 8n) ^ (a >> 7n);
      const s1 = turn(b, 19n) ^ turn(b, 61n) ^ (b >> 6n);
      w.push((w[t - 16] + s0 + w[t - 7] + s1) & MASK);
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let t = 0; t < 80; t++) {
      const s1 = turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n);
      const one = (h + s1 + ((e & f) ^ (~e & MASK & g)) + rounds[t] + w[t]) & MASK;
      const s0 = turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n);
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) & MASK;
      [a, b, c, d, e, f, g, h] = [(one + two) & MASK, a, b, c, (d + one) & MASK, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((part, i) => (hash[i] = (hash[i] + part) & MASK));
  }
  const digest = new DataView(new ArrayBuffer(64));
  hash.forEach((part, i) => digest.setBigUint64(8 * i, part));
  return new Uint8Array(digest.buffer);
}
