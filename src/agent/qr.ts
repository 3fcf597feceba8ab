// QR codes for the screen of a target: byte mode, versions 1 to 6, error correction M (ISO/IEC 18004:2015).

/** By version: codewords in all, codewords of correction in each block, blocks (table 9, level M). */
const VERSIONS = [
  [26, 10, 1],
  [44, 16, 1],
  [70, 26, 1],
  [100, 18, 2],
  [134, 24, 2],
  [172, 16, 4],
] as const;

/** The most bytes that fit: mode and length take 12 bits. */
export const MOST_QR_BYTES = 106;

/** Rows of modules, true is dark, without the quiet zone. Undefined when the text is too long. */
export function qrCode(text: string): readonly (readonly boolean[])[] | undefined {
  const bytes = new TextEncoder().encode(text);
  const index = VERSIONS.findIndex((one) => bytes.length <= dataCodewords(one) - 2);
  const version = VERSIONS[index];
  if (version === undefined) return undefined;
  const size = 21 + 4 * index;
  const bits = bitsOf(codewords(bytes, version));
  const grid = new Grid(size, index + 1);
  grid.putData(bits);
  const masked = MASKS.map((mask, number) => grid.masked(mask, number));
  const penalties = masked.map(penalty);
  return masked[penalties.indexOf(Math.min(...penalties))];
}

type Version = (typeof VERSIONS)[number];

function dataCodewords([all, correction, blocks]: Version): number {
  return all - correction * blocks;
}

/** §7.4 and §7.6: mode, length, bytes, padding, then the blocks interleaved with their correction. */
function codewords(bytes: Uint8Array, version: Version): Uint8Array {
  const [all, correction, blocks] = version;
  const data = new Uint8Array(dataCodewords(version));
  // Four bits of mode (0100, bytes), eight of length: every byte lies half in each of two codewords.
  data[0] = 0x40 | (bytes.length >> 4);
  data[1] = (bytes.length << 4) & 0xff;
  for (const [i, byte] of bytes.entries()) {
    data[i + 1] = (data[i + 1] ?? 0) | (byte >> 4);
    data[i + 2] = (byte << 4) & 0xff;
  }
  for (let at = bytes.length + 2, pad = 0xec; at < data.length; at++, pad ^= 0xec ^ 0x11) data[at] = pad;
  const length = data.length / blocks;
  const parts = Array.from({ length: blocks }, (_, i) => data.subarray(i * length, (i + 1) * length));
  const checks = parts.map((part) => correctionOf(part, correction));
  const woven = new Uint8Array(all);
  let at = 0;
  for (let i = 0; i < length; i++) for (const part of parts) woven[at++] = part[i] ?? 0;
  for (let i = 0; i < correction; i++) for (const check of checks) woven[at++] = check[i] ?? 0;
  return woven;
}

/** Multiplication in GF(256) modulo x⁸ + x⁴ + x³ + x² + 1 (§7.5.2). */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    if (((b >> bit) & 1) === 1) product ^= a;
  }
  return product;
}

/** The remainder of the block by the generator with the roots 1, α, α², … */
function correctionOf(block: Uint8Array, count: number): Uint8Array {
  const generator = new Uint8Array(count);
  generator[count - 1] = 1;
  for (let i = 0, root = 1; i < count; i++, root = times(root, 2)) {
    for (let j = 0; j < count; j++) {
      generator[j] = times(generator[j] ?? 0, root) ^ (generator[j + 1] ?? 0);
    }
  }
  const rest = new Uint8Array(count);
  for (const byte of block) {
    const factor = byte ^ (rest[0] ?? 0);
    rest.copyWithin(0, 1);
    rest[count - 1] = 0;
    for (let j = 0; j < count; j++) rest[j] = (rest[j] ?? 0) ^ times(generator[j] ?? 0, factor);
  }
  return rest;
}

function bitsOf(bytes: Uint8Array): readonly boolean[] {
  return Array.from(bytes).flatMap((byte) =>
    [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((byte >> bit) & 1) === 1),
  );
}

/** §7.8.2, row and column. */
const MASKS: readonly ((y: number, x: number) => boolean)[] = [
  (y, x) => (y + x) % 2 === 0,
  (y) => y % 2 === 0,
  (_, x) => x % 3 === 0,
  (y, x) => (y + x) % 3 === 0,
  (y, x) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (y, x) => ((y * x) % 2) + ((y * x) % 3) === 0,
  (y, x) => (((y * x) % 2) + ((y * x) % 3)) % 2 === 0,
  (y, x) => (((y + x) % 2) + ((y * x) % 3)) % 2 === 0,
];

class Grid {
  readonly #size: number;
  readonly #dark: boolean[][];
  /** Patterns that readers find their way by: neither data nor mask touch them. */
  readonly #fixed: boolean[][];

  constructor(size: number, version: number) {
    this.#size = size;
    this.#dark = Array.from({ length: size }, () => Array<boolean>(size).fill(false));
    this.#fixed = Array.from({ length: size }, () => Array<boolean>(size).fill(false));
    for (let i = 0; i < size; i++) {
      this.#fix(6, i, i % 2 === 0);
      this.#fix(i, 6, i % 2 === 0);
    }
    for (const [y, x] of [
      [3, 3],
      [3, size - 4],
      [size - 4, 3],
    ] as const) {
      this.#square(y, x, 4, (ring) => ring !== 2 && ring !== 4);
    }
    if (version > 1) this.#square(size - 7, size - 7, 2, (ring) => ring !== 1);
    this.#format(0);
  }

  /** §7.7.3: upwards and downwards in columns of two from the right, past the column of timing. */
  putData(bits: readonly boolean[]): void {
    let next = 0;
    let upwards = true;
    for (let right = this.#size - 1; right > 0; right -= 2) {
      if (right === 6) right = 5;
      for (let step = 0; step < this.#size; step++) {
        const y = upwards ? this.#size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.#fixed[y]?.[x] === true) continue;
          this.#put(y, x, bits[next++] ?? false);
        }
      }
      upwards = !upwards;
    }
  }

  masked(mask: (y: number, x: number) => boolean, number: number): readonly (readonly boolean[])[] {
    this.#format(number);
    return this.#dark.map((row, y) =>
      row.map((dark, x) => (this.#fixed[y]?.[x] === true ? dark : dark !== mask(y, x))),
    );
  }

  /** A finder (radius 4 with its separator) or an alignment pattern, by rings about its centre. */
  #square(cy: number, cx: number, radius: number, isDark: (ring: number) => boolean): void {
    for (let y = cy - radius; y <= cy + radius; y++) {
      for (let x = cx - radius; x <= cx + radius; x++) {
        if (y < 0 || x < 0 || y >= this.#size || x >= this.#size) continue;
        this.#fix(y, x, isDark(Math.max(Math.abs(y - cy), Math.abs(x - cx))));
      }
    }
  }

  /** §7.9: level M is 00, three bits of mask, ten of BCH, all masked again; twice, and one module always dark. */
  #format(mask: number): void {
    let rest = mask << 10;
    for (let bit = 14; bit >= 10; bit--) if (((rest >> bit) & 1) === 1) rest ^= 0x537 << (bit - 10);
    const word = ((mask << 10) | rest) ^ 0x5412;
    const size = this.#size;
    for (let i = 0; i < 15; i++) {
      const dark = ((word >> i) & 1) === 1;
      if (i < 8) this.#fix(i < 6 ? i : i + 1, 8, dark);
      else this.#fix(8, i === 8 ? 7 : 14 - i, dark);
      if (i < 8) this.#fix(8, size - 1 - i, dark);
      else this.#fix(size - 15 + i, 8, dark);
    }
    this.#fix(size - 8, 8, true);
  }

  #fix(y: number, x: number, dark: boolean): void {
    this.#put(y, x, dark);
    const row = this.#fixed[y];
    if (row !== undefined) row[x] = true;
  }

  #put(y: number, x: number, dark: boolean): void {
    const row = this.#dark[y];
    if (row !== undefined) row[x] = dark;
  }
}

/** §7.8.3: the four rules by which the easiest to read is chosen. */
function penalty(rows: readonly (readonly boolean[])[]): number {
  const columns = rows.map((_, x) => rows.map((row) => row[x] ?? false));
  let points = 0;
  for (const line of [...rows, ...columns]) {
    const text = line.map((dark) => (dark ? '1' : '0')).join('');
    for (const run of text.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2;
    for (const pattern of [/(?=10111010000)/g, /(?=00001011101)/g]) {
      points += 40 * (text.match(pattern)?.length ?? 0);
    }
  }
  for (let y = 1; y < rows.length; y++) {
    for (let x = 1; x < rows.length; x++) {
      const four = [rows[y]?.[x], rows[y - 1]?.[x], rows[y]?.[x - 1], rows[y - 1]?.[x - 1]];
      if (four.every((dark) => dark === four[0])) points += 3;
    }
  }
  const dark = rows.flat().filter(Boolean).length / rows.length ** 2;
  return points + 10 * Math.floor(Math.abs(dark * 100 - 50) / 5);
}
