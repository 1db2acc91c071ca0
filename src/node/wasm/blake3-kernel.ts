/**
 * BLAKE3 compression as WASM: one block scalar, or four independent inputs side by side in vectors (chunks, or pairs
 * of chaining values). A speed twin of noble's; tests compare the two. Spec: BLAKE3 paper §2.
 */
import {
  type Code,
  doWhile,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  seq,
  v128,
} from "./assembler.ts";

export const BLAKE3_IV: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

export const BLAKE3_BLOCK_BYTES = 64;
export const CHUNK_START = 1;
export const CHUNK_END = 2;
export const PARENT = 4;
export const ROOT = 8;
export const KEYED_HASH = 16;

const ROUNDS = 7;
const PERMUTATION: readonly number[] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const QUADS: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** The arithmetic of a mixing step, on words or on vectors of them. */
interface Arithmetic {
  readonly add: (a: Code, b: Code) => Code;
  readonly xor: (a: Code, b: Code) => Code;
  /** Sets a local to its own value rotated right. */
  readonly rotate: (local: Local, value: Code, bits: number) => Code;
}

/** All rounds over the state `v`; `message(i)` loads word i of the block. */
function mixRounds(
  v: readonly Local[],
  message: (word: number) => Code,
  { add, xor, rotate }: Arithmetic,
): Code {
  const steps: Code[] = [];
  let order = Array.from({ length: 16 }, (_, i) => i);
  for (let round = 0; round < ROUNDS; round++) {
    // four mixing steps at a time do not depend on each other
    for (const quads of [QUADS.slice(0, 4), QUADS.slice(4)]) {
      const base = quads[0] === QUADS[0] ? 0 : 8;
      for (const [half, [bitsD, bitsB]] of [
        [16, 12],
        [8, 7],
      ].entries() as ArrayIterator<[number, [number, number]]>) {
        quads.forEach(([a, b], i) =>
          steps.push(
            v[a]!.set(add(add(v[a]!.get, message(order[base + 2 * i + half]!)), v[b]!.get)),
          ),
        );
        quads.forEach(([a, , , d]) => steps.push(rotate(v[d]!, xor(v[d]!.get, v[a]!.get), bitsD)));
        quads.forEach(([, , c, d]) => steps.push(v[c]!.set(add(v[c]!.get, v[d]!.get))));
        quads.forEach(([, b, c]) => steps.push(rotate(v[b]!, xor(v[b]!.get, v[c]!.get), bitsB)));
      }
    }
    order = PERMUTATION.map((from) => order[from]!);
  }
  return seq(...steps);
}

/**
 * `blake3Block(cv, block, counter, length, flags)`: compresses one block into the chaining value at `cv`. A root's first
 * 32 bytes of output are the same words. The counter has 32 bits: inputs are far below 4 TiB.
 */
export function addBlake3Block(module: ModuleBuilder): void {
  const compress = module.addFunction(["i32", "i32", "i32", "i32", "i32"]);
  const [cv, block, counter, length, flags] = [0, 1, 2, 3, 4].map((i) => compress.param(i)) as [
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const v = compress.locals("i32", 16);
  const rest = [
    ...BLAKE3_IV.slice(0, 4).map(i32.const),
    counter.get,
    i32.const(0),
    length.get,
    flags.get,
  ];
  const rotations: Arithmetic = {
    add: i32.add,
    xor: i32.xor,
    rotate: (local, value, bits) => local.set(i32.rotr(value, i32.const(bits))),
  };
  compress.body(
    ...v.map((word, i) => word.set(i < 8 ? i32.load(cv.get, 4 * i) : rest[i - 8]!)),
    mixRounds(v, (word) => i32.load(block.get, 4 * word), rotations),
    ...v.slice(0, 8).map((word, i) => i32.store(cv.get, i32.xor(word.get, v[i + 8]!.get), 4 * i)),
  );
  module.export("blake3Block", compress);
}

const ROTATE_16: readonly number[] = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];
const ROTATE_8: readonly number[] = [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12];
const LOW_WORDS: readonly number[] = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const HIGH_WORDS: readonly number[] = [
  8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31,
];
const LOW_HALVES: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const HIGH_HALVES: readonly number[] = [
  8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31,
];

/**
 * `blake3Four(in0, in1, in2, in3, blocks, key, out, counter, counterStep, flags, startFlag, endFlag, message)`: hashes
 * `blocks` whole blocks at each of 4 addresses from the same `key`; 4 chaining values of 32 bytes go to `out`, which
 * may be where input lies. `message` is room for 16 vectors.
 */
export function addBlake3Four(module: ModuleBuilder): void {
  const hash = module.addFunction(Array.from({ length: 13 }, () => "i32" as const));
  const inputs = [0, 1, 2, 3].map((i) => hash.param(i)) as [Local, Local, Local, Local];
  const [blocks, key, out, counter, step, flags, startFlag, endFlag, message] = [
    4, 5, 6, 7, 8, 9, 10, 11, 12,
  ].map((i) => hash.param(i)) as [Local, Local, Local, Local, Local, Local, Local, Local, Local];
  const v = hash.locals("v128", 16);
  const h = hash.locals("v128", 8);
  const counters = hash.local("v128");
  const temp = hash.local("v128");
  const lanes = hash.locals("v128", 4) as [Local, Local, Local, Local];
  const last = i32.eq(blocks.get, i32.const(1));
  const flagsHere = i32.or(
    i32.or(flags.get, startFlag.get),
    i32.and(endFlag.get, i32.sub(i32.const(0), last)),
  );
  const rest = [
    ...BLAKE3_IV.slice(0, 4).map((word) => v128.const([word, word, word, word])),
    counters.get,
    v128.const([0, 0, 0, 0]),
    i32x4.splat(i32.const(BLAKE3_BLOCK_BYTES)),
    i32x4.splat(flagsHere),
  ];
  hash.body(
    ...h.map((word, i) => word.set(i32x4.splat(i32.load(key.get, 4 * i)))),
    counters.set(
      i32x4.add(
        i32x4.splat(counter.get),
        v128.and(i32x4.splat(i32.sub(i32.const(0), step.get)), v128.const([0, 1, 2, 3])),
      ),
    ),
    doWhile(
      seq(
        transposeBlocks(inputs, lanes, message),
        ...v.map((word, i) => word.set(i < 8 ? h[i]!.get : rest[i - 8]!)),
        mixRounds(v, (word) => v128.load(message.get, 16 * word), vectorArithmetic(temp)),
        ...h.map((word, i) => word.set(v128.xor(v[i]!.get, v[i + 8]!.get))),
        startFlag.set(i32.const(0)),
        ...inputs.map((input) => input.set(i32.add(input.get, i32.const(BLAKE3_BLOCK_BYTES)))),
      ),
      blocks.tee(i32.sub(blocks.get, i32.const(1))),
    ),
    storeTransposed(h.slice(0, 4), lanes, out, 0),
    storeTransposed(h.slice(4), lanes, out, 16),
  );
  module.export("blake3Four", hash);
}

function vectorArithmetic(temp: Local): Arithmetic {
  return {
    add: i32x4.add,
    xor: v128.xor,
    rotate(local, value, bits): Code {
      if (bits === 16 || bits === 8) {
        return seq(
          temp.set(value),
          local.set(v128.shuffle(temp.get, temp.get, bits === 16 ? ROTATE_16 : ROTATE_8)),
        );
      }
      const right = i32x4.shrU(temp.get, i32.const(bits));
      return seq(
        temp.set(value),
        local.set(v128.or(right, i32x4.shl(temp.get, i32.const(32 - bits)))),
      );
    },
  };
}

/** Word i of all four, as one vector each, from the words of each of them. */
function transposed([a, b, c, d]: readonly Code[]): readonly Code[] {
  const pairs = (lanes: readonly number[]): [Code, Code] => [
    v128.shuffle(a!, b!, lanes),
    v128.shuffle(c!, d!, lanes),
  ];
  const low = pairs(LOW_WORDS);
  const high = pairs(HIGH_WORDS);
  return [low, low, high, high].map(([ab, cd], i) =>
    v128.shuffle(ab, cd, i % 2 === 0 ? LOW_HALVES : HIGH_HALVES),
  );
}

function transposeBlocks(inputs: readonly Local[], lanes: readonly Local[], message: Local): Code {
  const steps: Code[] = [];
  for (let part = 0; part < 4; part++) {
    steps.push(...lanes.map((lane, i) => lane.set(v128.load(inputs[i]!.get, 16 * part))));
    steps.push(
      ...transposed(lanes.map((lane) => lane.get)).map((words, i) =>
        v128.store(message.get, words, 16 * (4 * part + i)),
      ),
    );
  }
  return seq(...steps);
}

/** Four words of each of the four chaining values, `offset` bytes into each. */
function storeTransposed(
  words: readonly Local[],
  lanes: readonly Local[],
  out: Local,
  offset: number,
): Code {
  return seq(
    ...lanes.map((lane, i) => lane.set(words[i]!.get)),
    ...transposed(lanes.map((lane) => lane.get)).map((value, i) =>
      v128.store(out.get, value, 32 * i + offset),
    ),
  );
}
