/**
 * Protobuf messages as tables: a message is a record of fields, a field is a number and a codec. protobufjs reads and
 * writes the varints; this file adds types, defaults, and bounds. Unknown fields are skipped, as are known ones with
 * another wire type. Bytes are views of the message. Spec: protobuf encoding, proto3.
 */
import protobuf from "protobufjs/minimal.js";
import { bytesToUtf8 } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";

export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;

/** Pairs in one map. Labels of manifests have less than ten. */
const MAX_MAP_ENTRIES = 1000;
/** Items in one list: more than a message of 20 MiB has of the smallest real ones. */
const MAX_LIST_ITEMS = 200_000;

const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** How one field is read and written. Repetitions of the field come one after the other. */
export interface FieldCodec<V> {
  readonly wireType: 0 | 2;
  /** Of a field that is absent. */
  readonly initial: V;
  read(reader: Reader, previous: V): V;
  write(writer: Writer, tag: number, value: V): void;
}

export interface ItemCodec<V> {
  readonly wireType: 0 | 2;
  read(reader: Reader): V;
  write(writer: Writer, tag: number, value: V): void;
}

/** A value that does not build upon what was read before. */
export interface PlainCodec<V> extends ItemCodec<V> {
  readonly initial: V;
}

export interface Field<V> {
  readonly number: number;
  readonly codec: FieldCodec<V>;
}

export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

export interface MessageCodec<T> {
  /** Every member is there, absent ones with their default. @throws SEJF_CORRUPT. */
  decode(bytes: Uint8Array): T;
  /** Members with their default value, and those left out, take no bytes. */
  encode(value: Partial<T>): Uint8Array;
}

export function field<V>(number: number, codec: FieldCodec<V>): Field<V> {
  return { number, codec };
}

/** `name` is for error messages. */
export function message<T extends object>(name: string, fields: Fields<T>): MessageCodec<T> {
  return new TableCodec(name, fields);
}

/** Begins a message. */
export function newWriter(): Writer {
  return protobuf.Writer.create();
}

/** The tag of a field whose value is preceded by its length. */
export function lengthTag(number: number): number {
  return (number << 3) | LENGTH_DELIMITED;
}

/**
 * Calls `onField` for each field; it returns false for one that it does not know, which is skipped.
 * @throws SEJF_CORRUPT for bytes that are not protobuf.
 */
export function readFields(
  name: string,
  bytes: Uint8Array,
  onField: (reader: Reader, number: number, wireType: number) => boolean,
): void {
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      if (!onField(reader, tag >>> 3, tag & 7)) reader.skipType(tag & 7, 0, tag >>> 3);
    }
  } catch (error) {
    if (error instanceof SejfError) throw error;
    throw new SejfError("SEJF_CORRUPT", `${name} of ${bytes.byteLength} bytes is not protobuf`, {
      cause: error,
    });
  }
}

class TableCodec<T extends object> implements MessageCodec<T> {
  readonly #name: string;
  readonly #entries: readonly (readonly [keyof T & string, Field<unknown>])[];
  readonly #byNumber: ReadonlyMap<number, readonly [keyof T & string, Field<unknown>]>;

  constructor(name: string, fields: Fields<T>) {
    this.#name = name;
    this.#entries = Object.entries(fields) as [keyof T & string, Field<unknown>][];
    this.#byNumber = new Map(this.#entries.map((entry) => [entry[1].number, entry]));
  }

  decode(bytes: Uint8Array): T {
    const value: Record<string, unknown> = {};
    for (const [key, { codec }] of this.#entries) value[key] = codec.initial;
    readFields(this.#name, bytes, (reader, number, wireType) => {
      const entry = this.#byNumber.get(number);
      if (entry === undefined || entry[1].codec.wireType !== wireType) return false;
      value[entry[0]] = entry[1].codec.read(reader, value[entry[0]]);
      return true;
    });
    return value as T;
  }

  encode(value: Partial<T>): Uint8Array {
    const writer = newWriter();
    for (const [key, { number, codec }] of this.#entries) {
      const member = value[key];
      if (member === undefined || member === codec.initial) continue;
      codec.write(writer, (number << 3) | codec.wireType, member);
    }
    return writer.finish();
  }
}

export const text: PlainCodec<string> = {
  wireType: LENGTH_DELIMITED,
  initial: "",
  read: (reader) => bytesToUtf8(reader.bytes()),
  write: (writer, tag, value) => void writer.uint32(tag).string(value),
};

/** A view of the message. */
export const bytes: PlainCodec<Uint8Array> = {
  wireType: LENGTH_DELIMITED,
  initial: new Uint8Array(0),
  read: (reader) => reader.bytes(),
  write: (writer, tag, value) => {
    if (value.byteLength > 0) writer.uint32(tag).bytes(value);
  },
};

export const bool: PlainCodec<boolean> = {
  wireType: VARINT,
  initial: false,
  read: (reader) => reader.bool(),
  write: (writer, tag, value) => void writer.uint32(tag).bool(value),
};

export const uint32: PlainCodec<number> = {
  wireType: VARINT,
  initial: 0,
  read: (reader) => reader.uint32(),
  write: (writer, tag, value) => void writer.uint32(tag).uint32(value),
};

/** Also for enumerations: unknown values are kept as they are. */
export const int32: PlainCodec<number> = {
  wireType: VARINT,
  initial: 0,
  read: (reader) => reader.int32(),
  write: (writer, tag, value) => void writer.uint32(tag).int32(value),
};

export const int64: PlainCodec<bigint> = {
  wireType: VARINT,
  initial: 0n,
  read: (reader) => toBigInt(reader.int64()),
  write: (writer, tag, value) => void writer.uint32(tag).int64(toWritable(value)),
};

export const uint64: PlainCodec<bigint> = {
  wireType: VARINT,
  initial: 0n,
  read: (reader) => BigInt.asUintN(64, toBigInt(reader.uint64())),
  write: (writer, tag, value) => void writer.uint32(tag).uint64(toWritable(value)),
};

/** A message inside of another; `undefined` when it is absent. */
export function embedded<T>(codec: MessageCodec<T>): PlainCodec<T | undefined> {
  return {
    wireType: LENGTH_DELIMITED,
    initial: undefined,
    read: (reader) => codec.decode(reader.bytes()),
    write: (writer, tag, value) => {
      if (value !== undefined) writer.uint32(tag).bytes(codec.encode(value));
    },
  };
}

/** Any number of messages. @throws SEJF_CORRUPT when there are too many to be true. */
export function messages<T>(codec: MessageCodec<T>): FieldCodec<readonly T[]> {
  return list<T>({
    wireType: LENGTH_DELIMITED,
    read: (reader) => codec.decode(reader.bytes()),
    write: (writer, tag, value) => void writer.uint32(tag).bytes(codec.encode(value)),
  });
}

/** Any number of items. @throws SEJF_CORRUPT when there are too many to be true. */
export function list<V>(item: ItemCodec<V>): FieldCodec<readonly V[]> {
  const initial: readonly V[] = [];
  return {
    wireType: item.wireType,
    initial,
    read: (reader, previous) => {
      // The first item begins an array of this message's own, which nobody else has seen yet.
      const items = previous === initial ? [] : (previous as V[]);
      if (items.length >= MAX_LIST_ITEMS)
        throw new SejfError("SEJF_CORRUPT", `a list of more than ${MAX_LIST_ITEMS} items`);
      items.push(item.read(reader));
      return items;
    },
    write: (writer, tag, value) => {
      for (const entry of value) item.write(writer, tag, entry);
    },
  };
}

export type TextMap = Readonly<Record<string, string>>;

const MAP_ENTRY: MessageCodec<{ readonly key: string; readonly value: string }> = message(
  "a map entry",
  { key: field(1, text), value: field(2, text) },
);
const NO_ENTRIES: TextMap = {};
/** Pairs read into maps that are being made, repeated keys included. */
const pairCounts = new WeakMap<TextMap, number>();

/** `map<string, string>`; order means nothing. @throws SEJF_CORRUPT when there are too many pairs to be true. */
export const textMap: FieldCodec<TextMap> = {
  wireType: LENGTH_DELIMITED,
  initial: NO_ENTRIES,
  read: (reader, previous) => {
    const map = previous === NO_ENTRIES ? {} : previous;
    const count = (pairCounts.get(map) ?? 0) + 1;
    if (count > MAX_MAP_ENTRIES)
      throw new SejfError("SEJF_CORRUPT", `a map of more than ${MAX_MAP_ENTRIES} pairs`);
    pairCounts.set(map, count);
    const { key, value } = MAP_ENTRY.decode(reader.bytes());
    // Defined, not assigned: a key may be `__proto__`.
    Object.defineProperty(map, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
    return map;
  },
  write: (writer, tag, value) => {
    for (const [key, item] of Object.entries(value))
      writer.uint32(tag).bytes(MAP_ENTRY.encode({ key, value: item }));
  },
};

function toBigInt(value: protobuf.Long | number): bigint {
  if (typeof value === "number") return BigInt(value);
  return (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);
}

function toWritable(value: bigint): number | string {
  return value >= 0n && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString();
}
