/**
 * A small assembler for WebAssembly modules. Code is built from expressions: `i32.add(a, b)` is the code of both
 * operands and the opcode behind them. Only what our kernels need is here.
 * Spec: WebAssembly core 2.0 with threads, §5 (binary format).
 */

/**
 * Instructions in binary form, a character of 0 to 255 for each byte: joining strings costs nothing until the module
 * is written, while joining arrays took most of the start of a short command. An expression leaves one value on the
 * stack, a statement none.
 */
export type Code = string;

export type ValueType = "i32" | "i64" | "v128";

const byte = String.fromCharCode;

const VALUE_TYPES: Readonly<Record<ValueType, Code>> = {
  i32: byte(0x7f),
  i64: byte(0x7e),
  v128: byte(0x7b),
};
const BLOCK_VOID = byte(0x40);
const END = byte(0x0b);
const BRANCH_IF = byte(0x0d);

/** Unsigned LEB128. */
export function u32(value: number): Code {
  let code = "";
  let rest = value >>> 0;
  while (rest >= 0x80) {
    code += byte((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return code + byte(rest);
}

/** Signed LEB128 of up to 64 bits. */
function signed(value: bigint): Code {
  let code = "";
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40)) return code + byte(low);
    code += byte(low | 0x80);
  }
}

/** Statements one behind the other. */
export function seq(...parts: readonly Code[]): Code {
  return parts.join("");
}

type Binary = (a: Code, b: Code) => Code;

function binary(...opcode: readonly number[]): Binary {
  const code = byte(...opcode);
  return (a, b) => a + b + code;
}

/** The two fields of a memory access: log2 of the alignment, which is a hint only, and the offset. */
function access(opcode: Code, offset: number): Code {
  return opcode + byte(0) + u32(offset);
}

const I32_LOAD = byte(0x28);
const I32_LOAD8_U = byte(0x2d);
const I32_STORE = byte(0x36);
const I64_LOAD = byte(0x29);
const I64_STORE = byte(0x37);

/** Operations on 32-bit integers. Comparisons leave 0 or 1. */
export const i32 = {
  const: (value: number): Code => byte(0x41) + signed(BigInt(value | 0)),
  add: binary(0x6a) as Binary,
  sub: binary(0x6b) as Binary,
  and: binary(0x71) as Binary,
  or: binary(0x72) as Binary,
  xor: binary(0x73) as Binary,
  shl: binary(0x74) as Binary,
  shrU: binary(0x76) as Binary,
  rotl: binary(0x77) as Binary,
  rotr: binary(0x78) as Binary,
  eqz: (a: Code): Code => a + byte(0x45),
  eq: binary(0x46) as Binary,
  ltU: binary(0x49) as Binary,
  gtU: binary(0x4b) as Binary,
  leU: binary(0x4d) as Binary,
  geU: binary(0x4f) as Binary,
  load: (address: Code, offset = 0): Code => address + access(I32_LOAD, offset),
  /** `a` where `condition` is not 0, else `b`. */
  select: (condition: Code, a: Code, b: Code): Code => a + b + condition + byte(0x1b),
  load8U: (address: Code, offset = 0): Code => address + access(I32_LOAD8_U, offset),
  store: (address: Code, value: Code, offset = 0): Code =>
    address + value + access(I32_STORE, offset),
} as const;

/** Operations on 64-bit integers. */
export const i64 = {
  const: (value: bigint): Code => byte(0x42) + signed(BigInt.asIntN(64, value)),
  add: binary(0x7c) as Binary,
  xor: binary(0x85) as Binary,
  rotr: binary(0x8a) as Binary,
  extendI32U: (a: Code): Code => a + byte(0xad),
  load: (address: Code, offset = 0): Code => address + access(I64_LOAD, offset),
  store: (address: Code, value: Code, offset = 0): Code =>
    address + value + access(I64_STORE, offset),
} as const;

/** Vector instructions have a prefix and an opcode of one or two bytes. */
function simd(opcode: number): Code {
  return byte(0xfd) + u32(opcode);
}

function simdBinary(opcode: number): Binary {
  const code = simd(opcode);
  return (a, b) => a + b + code;
}

const V128_LOAD = simd(0);
const V128_STORE = simd(11);

/** Operations on 128-bit vectors; addresses need no alignment. */
export const v128 = {
  load: (address: Code, offset = 0): Code => address + access(V128_LOAD, offset),
  store: (address: Code, value: Code, offset = 0): Code =>
    address + value + access(V128_STORE, offset),
  /** 4 words, given as unsigned 32-bit numbers. */
  const: (words: readonly [number, number, number, number]): Code =>
    simd(12) +
    words.map((w) => byte(w & 0xff, (w >>> 8) & 0xff, (w >>> 16) & 0xff, w >>> 24)).join(""),
  /** Bytes of a (0–15) and b (16–31), chosen by 16 indexes. */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => a + b + simd(13) + byte(...lanes),
  and: simdBinary(78) as Binary,
  /** a and not b. */
  andNot: simdBinary(79) as Binary,
  or: simdBinary(80) as Binary,
  xor: simdBinary(81) as Binary,
  anyTrue: (a: Code): Code => a + simd(83),
} as const;

/** The same as vectors of 4 words. */
export const i32x4 = {
  splat: (a: Code): Code => a + simd(17),
  eq: simdBinary(55) as Binary,
  shl: simdBinary(171) as Binary,
  shrU: simdBinary(173) as Binary,
  add: simdBinary(174) as Binary,
  /** One of the 4 words. */
  extract: (a: Code, lane: number): Code => a + simd(27) + byte(lane),
  /** `a` with another word in one place. */
  replace: (a: Code, lane: number, word: Code): Code => a + word + simd(28) + byte(lane),
} as const;

/** Copies `length` bytes; the regions may overlap. */
export function memoryCopy(to: Code, from: Code, length: Code): Code {
  return to + from + length + byte(0xfc, 10, 0, 0);
}

/** Sets `length` bytes to `value`. */
export function memoryFill(to: Code, value: Code, length: Code): Code {
  return to + value + length + byte(0xfc, 11, 0);
}

/** `while (condition) body`. */
export function whileLoop(condition: Code, body: Code): Code {
  const leaveIfNot = i32.eqz(condition) + BRANCH_IF + u32(1);
  const again = byte(0x0c) + u32(0);
  return byte(0x02) + BLOCK_VOID + byte(0x03) + BLOCK_VOID + leaveIfNot + body + again + END + END;
}

/** `do body while (condition)`. */
export function doWhile(body: Code, condition: Code): Code {
  return byte(0x03) + BLOCK_VOID + body + condition + BRANCH_IF + u32(0) + END;
}

export function ifThen(condition: Code, then: Code, otherwise?: Code): Code {
  const rest = otherwise === undefined ? "" : byte(0x05) + otherwise;
  return condition + byte(0x04) + BLOCK_VOID + then + rest + END;
}

export function returns(value: Code = ""): Code {
  return value + byte(0x0f);
}

/** A local variable or parameter of the function under construction. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
  /** Sets it and leaves the value. */
  tee(value: Code): Code;
}

/** So many, for a count that is written out. */
type Locals<Count extends number, Some extends Local[] = []> = Some["length"] extends Count
  ? Some
  : Locals<Count, [...Some, Local]>;

/** A function under construction: parameters first, then locals, then its body. */
export class FunctionBuilder<Types extends readonly ValueType[] = readonly ValueType[]> {
  readonly params: { readonly [Place in keyof Types]: Local };
  readonly result: ValueType | undefined;
  readonly index: number;
  readonly #types: Types;
  readonly #locals: ValueType[] = [];
  #body: Code = "";

  constructor(index: number, types: Types, result: ValueType | undefined) {
    this.index = index;
    this.#types = types;
    this.params = types.map((_, position) => localAt(position)) as unknown as typeof this.params;
    this.result = result;
  }

  local(type: ValueType): Local {
    this.#locals.push(type);
    return localAt(this.#types.length + this.#locals.length - 1);
  }

  locals<Count extends number>(type: ValueType, count: Count): Locals<Count> {
    return Array.from({ length: count }, () => this.local(type)) as Locals<Count>;
  }

  body(...statements: readonly Code[]): void {
    this.#body = seq(...statements);
  }

  /** An expression, or a statement when there is no result. */
  call(...args: readonly Code[]): Code {
    return seq(...args) + byte(0x10) + u32(this.index);
  }

  encode(): Code {
    const groups = this.#locals.map((type) => u32(1) + VALUE_TYPES[type]);
    return sized(vector(groups) + this.#body + END);
  }

  encodeType(): Code {
    const types = (list: readonly ValueType[]): Code =>
      vector(list.map((type) => VALUE_TYPES[type]));
    return byte(0x60) + types(this.#types) + types(this.result === undefined ? [] : [this.result]);
  }
}

function localAt(index: number): Local {
  const at = u32(index);
  const [get, set, tee] = [0x20, 0x21, 0x22].map((opcode) => byte(opcode) + at) as [
    Code,
    Code,
    Code,
  ];
  return { get, set: (value) => value + set, tee: (value) => value + tee };
}

/** A module with one imported shared memory, `env.memory`, and exported functions. */
export class ModuleBuilder {
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports: Code[] = [];

  addFunction<const Types extends readonly ValueType[]>(
    types: Types,
    result?: ValueType,
  ): FunctionBuilder<Types> {
    const builder = new FunctionBuilder(this.#functions.length, types, result);
    this.#functions.push(builder);
    return builder;
  }

  export(name: string, builder: FunctionBuilder): void {
    this.#exports.push(text(name) + byte(0x00) + u32(builder.index));
  }

  encode(): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    const sharedMemory = text("env") + text("memory") + byte(0x02, 0x03) + u32(1) + u32(MAX_PAGES);
    const module = [
      byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00),
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
    ].join("");
    return new Uint8Array(Buffer.from(module, "latin1"));
  }
}

/** 4 GiB. */
const MAX_PAGES = 65536;

function section(id: number, items: readonly Code[]): Code {
  return byte(id) + sized(vector(items));
}

function vector(items: readonly Code[]): Code {
  return u32(items.length) + items.join("");
}

function sized(code: Code): Code {
  return u32(code.length) + code;
}

/** A name; ours are ASCII. */
function text(value: string): Code {
  return sized(value);
}
