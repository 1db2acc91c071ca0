/**
 * BLAKE3 compression as WASM: one block scalar, or any number of inputs (chunks, or pairs of chaining values), four of
 * them side by side in vectors. A speed twin of noble's; tests compare the two. Spec: BLAKE3 paper §2.
 */
import {
  type Code,
  doWhile,
  type FunctionBuilder,
  i32,
  i32x4,
  ifThen,
  type Local,
  memoryCopy,
  memoryFill,
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
  const [cv, block, counter, length, flags] = compress.params;
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

/** A job of `blake3Jobs`, in words: address, length, counter, flags, where its 32 bytes go. */
export const JOB_WORDS = 5;
const JOB_BYTES = 4 * JOB_WORDS;
/** Flags of the first and of the last block lie above those of all. */
export const FIRST_BLOCK_SHIFT = 8;
export const LAST_BLOCK_SHIFT = 16;
const FLAGS_MASK = 0xff;

const LANES = 4;
/** For the message words of four blocks, then for a padded last block of each lane, then what an idle lane gives. */
const MESSAGE_BYTES = 16 * 16;
const TAILS_AT = MESSAGE_BYTES;
const IDLE_OUT_AT: number = TAILS_AT + LANES * BLAKE3_BLOCK_BYTES;
export const BLAKE3_ROOM_BYTES: number = IDLE_OUT_AT + 32;

/** What a lane is at: `left` bytes from `at` on; `flags` for its next block, `base` for those after it. */
interface Lane {
  readonly number: number;
  readonly at: Local;
  readonly left: Local;
  readonly flags: Local;
  readonly base: Local;
  readonly lastFlags: Local;
  readonly out: Local;
  /** 0 when there was no job left for it. */
  readonly live: Local;
  readonly block: Local;
}

interface JobsFunction {
  /** The next job, and where they end. */
  readonly next: Local;
  readonly end: Local;
  readonly key: Local;
  readonly room: Local;
  /** Lanes that are live. */
  readonly active: Local;
  readonly counters: Local;
  /** Chaining values: word i of each lane. */
  readonly h: readonly Local[];
}

/**
 * `blake3Jobs(jobs, end, key, room)`: hashes each job's input from the same `key`, a block at a time; none is longer than
 * a chunk, so that its counter is one. A lane that is done takes the next job, whatever the others are at. `room` is for
 * `BLAKE3_ROOM_BYTES`. A job may read what lies where an earlier one writes only before that one is begun.
 */
export function addBlake3Jobs(module: ModuleBuilder): void {
  const run = module.addFunction(["i32", "i32", "i32", "i32"]);
  const [next, end, key, room] = run.params;
  const active = run.local("i32");
  const counters = run.local("v128");
  const h = run.locals("v128", 8);
  const self: JobsFunction = { next, end, key, room, active, counters, h };
  const lanes = Array.from({ length: LANES }, (_, number) => newLane(run, number));
  const v = run.locals("v128", 16);
  const temp = run.local("v128");
  const words = run.locals("v128", 4);
  run.body(
    active.set(i32.const(LANES)),
    ...lanes.map((lane) => seq(lane.live.set(i32.const(1)), takeJob(self, lane))),
    ifThen(
      active.get,
      doWhile(
        seq(
          ...lanes.map((lane) => locateBlock(self, lane)),
          transposeBlocks(
            lanes.map(({ block }) => block),
            words,
            room,
          ),
          ...v.map((word, i) => word.set(i < 8 ? h[i]!.get : initialWord(self, lanes, i))),
          mixRounds(v, (word) => v128.load(room.get, 16 * word), vectorArithmetic(temp)),
          ...h.map((word, i) => word.set(v128.xor(v[i]!.get, v[i + 8]!.get))),
          ...lanes.map((lane) => advance(self, lane)),
        ),
        active.get,
      ),
    ),
  );
  module.export("blake3Jobs", run);
}

function newLane(run: FunctionBuilder, number: number): Lane {
  const [at, left, flags, base, lastFlags, out, live, block] = run.locals("i32", 8);
  return { number, at, left, flags, base, lastFlags, out, live, block };
}

/** The next job, or one block of nothing in particular. */
function takeJob(self: JobsFunction, lane: Lane): Code {
  const { next, end, key, room, active, counters, h } = self;
  const { number, at, left, flags, base, lastFlags, out, live } = lane;
  const job = seq(
    at.set(i32.load(next.get, 0)),
    left.set(i32.load(next.get, 4)),
    counters.set(i32x4.replace(counters.get, number, i32.load(next.get, 8))),
    flags.set(i32.load(next.get, 12)),
    base.set(i32.and(flags.get, i32.const(FLAGS_MASK))),
    lastFlags.set(i32.shrU(flags.get, i32.const(LAST_BLOCK_SHIFT))),
    flags.set(
      i32.or(
        base.get,
        i32.and(i32.shrU(flags.get, i32.const(FIRST_BLOCK_SHIFT)), i32.const(FLAGS_MASK)),
      ),
    ),
    out.set(i32.load(next.get, 16)),
    next.set(i32.add(next.get, i32.const(JOB_BYTES))),
    ...h.map((word, i) => word.set(i32x4.replace(word.get, number, i32.load(key.get, 4 * i)))),
  );
  const nothing = seq(
    active.set(i32.sub(active.get, live.get)),
    live.set(i32.const(0)),
    at.set(room.get),
    left.set(i32.const(BLAKE3_BLOCK_BYTES)),
    out.set(i32.add(room.get, i32.const(IDLE_OUT_AT))),
  );
  return ifThen(i32.ltU(next.get, end.get), job, nothing);
}

/** Where the lane's next block can be read whole: a short one is padded elsewhere. */
function locateBlock({ room }: JobsFunction, { number, at, left, block }: Lane): Code {
  const tail = i32.add(room.get, i32.const(TAILS_AT + number * BLAKE3_BLOCK_BYTES));
  return seq(
    block.set(at.get),
    ifThen(
      i32.ltU(left.get, i32.const(BLAKE3_BLOCK_BYTES)),
      seq(
        block.set(tail),
        memoryFill(block.get, i32.const(0), i32.const(BLAKE3_BLOCK_BYTES)),
        memoryCopy(block.get, at.get, left.get),
      ),
    ),
  );
}

/** Word i, 8 or more, of the state before the rounds. */
function initialWord({ counters }: JobsFunction, lanes: readonly Lane[], i: number): Code {
  const ofLanes = (word: (lane: Lane) => Code): Code =>
    lanes
      .slice(1)
      .reduce(
        (vector, lane) => i32x4.replace(vector, lane.number, word(lane)),
        i32x4.splat(word(lanes[0]!)),
      );
  const isLast = ({ left }: Lane): Code => i32.leU(left.get, i32.const(BLAKE3_BLOCK_BYTES));
  if (i < 12) {
    const word = BLAKE3_IV[i - 8]!;
    return v128.const([word, word, word, word]);
  }
  if (i === 12) return counters.get;
  if (i === 13) return v128.const([0, 0, 0, 0]);
  if (i === 14)
    return ofLanes((lane) =>
      i32.select(isLast(lane), lane.left.get, i32.const(BLAKE3_BLOCK_BYTES)),
    );
  return ofLanes((lane) =>
    i32.or(lane.flags.get, i32.select(isLast(lane), lane.lastFlags.get, i32.const(0))),
  );
}

/** Behind a block: the next one of the same input, or the result and the next job. */
function advance(self: JobsFunction, lane: Lane): Code {
  const { number, at, left, flags, base, out } = lane;
  const block = i32.const(BLAKE3_BLOCK_BYTES);
  return ifThen(
    i32.leU(left.get, block),
    seq(
      ...self.h.map((word, i) => i32.store(out.get, i32x4.extract(word.get, number), 4 * i)),
      takeJob(self, lane),
    ),
    seq(at.set(i32.add(at.get, block)), left.set(i32.sub(left.get, block)), flags.set(base.get)),
  );
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
