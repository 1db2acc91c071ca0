/**
 * A small assembler for WebAssembly modules. Code is built from expressions: `i32.add(a, b)` is the code of both
 * operands and the opcode behind them. Only what our kernels need is here.
 * Spec: WebAssembly core 2.0 with threads, §5 (binary format).
 */

/**
 * Instructions in binary form: bytes and parts, written out once at the end (copying at each step would take most of
 * the start of a short command). An expression leaves one value on the stack, a statement none.
 */
export type Code = readonly (number | Code | Uint8Array)[];

export type ValueType = "i32" | "i64" | "v128";

const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, v128: 0x7b };
const BLOCK_VOID = 0x40;

/** Unsigned LEB128. */
export function u32(value: number): Code {
  const bytes: number[] = [];
  let rest = value >>> 0;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

/** Signed LEB128 of up to 64 bits. */
function signed(value: bigint): Code {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** Statements one behind the other. */
export function seq(...parts: readonly Code[]): Code {
  return parts;
}

type Binary = (a: Code, b: Code) => Code;

function binary(...opcode: Code): Binary {
  return (a, b) => [a, b, opcode];
}

/** Operations on 32-bit integers. Comparisons leave 0 or 1. */
export const i32 = {
  const: (value: number): Code => [0x41, signed(BigInt(value | 0))],
  add: binary(0x6a) as Binary,
  sub: binary(0x6b) as Binary,
  and: binary(0x71) as Binary,
  or: binary(0x72) as Binary,
  xor: binary(0x73) as Binary,
  shl: binary(0x74) as Binary,
  shrU: binary(0x76) as Binary,
  rotl: binary(0x77) as Binary,
  rotr: binary(0x78) as Binary,
  eqz: (a: Code): Code => [a, 0x45],
  eq: binary(0x46) as Binary,
  ltU: binary(0x49) as Binary,
  gtU: binary(0x4b) as Binary,
  geU: binary(0x4f) as Binary,
  load: (address: Code, offset = 0): Code => [address, 0x28, 2, u32(offset)],
  load8U: (address: Code, offset = 0): Code => [address, 0x2d, 0, u32(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x36, 2, u32(offset)],
} as const;

/** Operations on 64-bit integers. */
export const i64 = {
  const: (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))],
  add: binary(0x7c) as Binary,
  xor: binary(0x85) as Binary,
  rotr: binary(0x8a) as Binary,
  extendI32U: (a: Code): Code => [a, 0xad],
  load: (address: Code, offset = 0): Code => [address, 0x29, 0, u32(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x37, 0, u32(offset)],
} as const;

function simd(opcode: number): Code {
  return [0xfd, u32(opcode)];
}

function simdBinary(opcode: number): Binary {
  return binary(...simd(opcode));
}

/** Operations on 128-bit vectors; addresses need no alignment. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, simd(0), 0, u32(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [
    address,
    value,
    simd(11),
    0,
    u32(offset),
  ],
  /** 4 words, given as unsigned 32-bit numbers. */
  const: (words: readonly [number, number, number, number]): Code => [
    simd(12),
    ...words.flatMap((w) => [w & 0xff, (w >>> 8) & 0xff, (w >>> 16) & 0xff, w >>> 24]),
  ],
  /** Bytes of a (0–15) and b (16–31), chosen by 16 indexes. */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [a, b, simd(13), lanes],
  and: simdBinary(78) as Binary,
  or: simdBinary(80) as Binary,
  xor: simdBinary(81) as Binary,
  anyTrue: (a: Code): Code => [a, simd(83)],
} as const;

/** The same as vectors of 4 words. */
export const i32x4 = {
  splat: (a: Code): Code => [a, simd(17)],
  eq: simdBinary(55) as Binary,
  shl: binary(...simd(171)) as Binary,
  shrU: binary(...simd(173)) as Binary,
  add: simdBinary(174) as Binary,
} as const;

/** Copies `length` bytes; the regions may overlap. */
export function memoryCopy(to: Code, from: Code, length: Code): Code {
  return [to, from, length, 0xfc, 10, 0, 0];
}

/** Sets `length` bytes to `value`. */
export function memoryFill(to: Code, value: Code, length: Code): Code {
  return [to, value, length, 0xfc, 11, 0];
}

/** `while (condition) body`. */
export function whileLoop(condition: Code, body: Code): Code {
  return [
    0x02,
    BLOCK_VOID,
    0x03,
    BLOCK_VOID,
    i32.eqz(condition),
    0x0d,
    1,
    body,
    0x0c,
    0,
    0x0b,
    0x0b,
  ];
}

/** `do body while (condition)`. */
export function doWhile(body: Code, condition: Code): Code {
  return [0x03, BLOCK_VOID, body, condition, 0x0d, 0, 0x0b];
}

export function ifThen(condition: Code, then: Code, otherwise?: Code): Code {
  return [
    condition,
    0x04,
    BLOCK_VOID,
    then,
    otherwise === undefined ? [] : [0x05, otherwise],
    0x0b,
  ];
}

export function returns(value: Code = []): Code {
  return [value, 0x0f];
}

/** A local variable or parameter of the function under construction. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
  /** Sets it and leaves the value. */
  tee(value: Code): Code;
}

/** A function under construction: parameters first, then locals, then its body. */
export class FunctionBuilder {
  readonly params: readonly ValueType[];
  readonly result: ValueType | undefined;
  readonly index: number;
  readonly #locals: ValueType[] = [];
  #body: Code = [];

  constructor(index: number, params: readonly ValueType[], result: ValueType | undefined) {
    this.index = index;
    this.params = params;
    this.result = result;
  }

  param(position: number): Local {
    if (position >= this.params.length)
      throw new RangeError(`function has no parameter ${position}`);
    return localAt(position);
  }

  local(type: ValueType): Local {
    this.#locals.push(type);
    return localAt(this.params.length + this.#locals.length - 1);
  }

  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  body(...statements: readonly Code[]): void {
    this.#body = seq(...statements);
  }

  /** An expression, or a statement when there is no result. */
  call(...args: readonly Code[]): Code {
    return [...args, 0x10, u32(this.index)];
  }

  encode(): Code {
    const groups = this.#locals.map((type) => [1, VALUE_TYPES[type]]);
    return sized([vector(groups), this.#body, 0x0b]);
  }

  encodeType(): Code {
    const types = (list: readonly ValueType[]): Code =>
      vector(list.map((type) => [VALUE_TYPES[type]]));
    return [0x60, types(this.params), types(this.result === undefined ? [] : [this.result])];
  }
}

function localAt(index: number): Local {
  const at = u32(index);
  return { get: [0x20, at], set: (value) => [value, 0x21, at], tee: (value) => [value, 0x22, at] };
}

/** A module with one imported shared memory, `env.memory`, and exported functions. */
export class ModuleBuilder {
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports: Code[] = [];

  addFunction(params: readonly ValueType[], result?: ValueType): FunctionBuilder {
    const builder = new FunctionBuilder(this.#functions.length, params, result);
    this.#functions.push(builder);
    return builder;
  }

  export(name: string, builder: FunctionBuilder): void {
    this.#exports.push([text(name), 0x00, u32(builder.index)]);
  }

  encode(): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    const sharedMemory = [text("env"), text("memory"), 0x02, 0x03, u32(1), u32(MAX_PAGES)];
    return bytesOf([
      HEADER,
      section(
        1,
        functions.map((one) => one.encodeType()),
      ),
      section(2, [sharedMemory]),
      section(
        3,
        functions.map((one) => u32(one.index)),
      ),
      section(7, this.#exports),
      section(
        10,
        functions.map((one) => one.encode()),
      ),
    ]);
  }
}

/** Magic number and version. */
const HEADER: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** 4 GiB. */
const MAX_PAGES = 65536;

function section(id: number, items: readonly Code[]): Code {
  return [id, sized(vector(items))];
}

function vector(items: readonly Code[]): Code {
  return [u32(items.length), items];
}

function sized(code: Code): Code {
  const bytes = bytesOf(code);
  return [u32(bytes.length), bytes];
}

function text(value: string): Code {
  return sized([...new TextEncoder().encode(value)]);
}

/** Modules are far smaller: a longer one is a defect. */
const MAX_BYTES = 65536;

function bytesOf(code: Code): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MAX_BYTES);
  return bytes.slice(0, writeCode(code, bytes, 0));
}

/** Writes at `from`; returns where it ends. */
function writeCode(code: Code, bytes: Uint8Array, from: number): number {
  let at = from;
  for (const part of code) {
    if (typeof part === "number") {
      bytes[at++] = part;
    } else if (part instanceof Uint8Array) {
      bytes.set(part, at);
      at += part.length;
    } else {
      at = writeCode(part, bytes, at);
    }
  }
  if (at > bytes.length) throw new RangeError(`code of more than ${MAX_BYTES} bytes`);
  return at;
}
