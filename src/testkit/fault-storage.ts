/**
 * A storage that goes wrong on purpose: it fails, tears, delays, loses or corrupts the n-th call of a kind, is full,
 * or dies at a point and fails every call after it, as a killed process would.
 */
import {
  type BlobId,
  type BlobMetadata,
  blobParts,
  type BlobStorage,
  type ByteRange,
  type PutOptions,
  StorageWrapper,
} from "../blob/index.ts";
import { type CallOptions, concatBytes, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

export type CallKind = "get" | "stat" | "put" | "delete" | "list";

/** Which calls: of a kind, whose blob ID (or listing prefix) fits, the `at`-th of them (from 1) and `times` in all. */
export interface FaultPlan {
  readonly on: CallKind | "any";
  readonly id?: string | RegExp | undefined;
  /** Default 1. */
  readonly at?: number | undefined;
  /** Default 1; Infinity for ever after. */
  readonly times?: number | undefined;
  readonly fault: Fault;
}

export type Fault =
  /** Throws without doing anything. Default: an SEJF_IO that is not retryable. */
  | { readonly kind: "fail"; readonly error?: Error | undefined }
  /** Does the work, then throws: the answer was lost on the way. */
  | { readonly kind: "fail-after"; readonly error?: Error | undefined }
  /** put: stores only the first `keep` bytes (default half) and throws, as a store without atomic writes would. */
  | { readonly kind: "tear"; readonly keep?: number | undefined }
  /** put: says it succeeded and stores nothing. delete: says it succeeded and deletes nothing. */
  | { readonly kind: "lose" }
  /** get: flips one bit of what was read. put: flips one bit of what is stored. */
  | { readonly kind: "corrupt"; readonly byte?: number | undefined }
  /** Waits for `until` before doing the work. */
  | { readonly kind: "delay"; readonly until: Promise<void> }
  /** put: SEJF_NO_SPACE. */
  | { readonly kind: "disk-full" }
  /** This call and every later one fail. With `after` this one is still done, and its answer never arrives. */
  | { readonly kind: "die"; readonly after?: boolean | undefined };

export interface RecordedCall {
  readonly kind: CallKind;
  /** Blob ID, or the prefix of a listing. */
  readonly id: string;
}

interface Armed extends FaultPlan {
  seen: number;
}

/** Wraps the store under test. Each plan counts the calls that fit it from when it was added. */
export class FaultStorage extends StorageWrapper {
  /** Every call so far, in order of their beginning. */
  readonly calls: RecordedCall[] = [];
  #plans: Armed[] = [];
  #dead = false;

  constructor(inner: BlobStorage, ...plans: readonly FaultPlan[]) {
    super(inner);
    // threads that read the file themselves would not meet our faults
    delete this.localPath;
    for (const plan of plans) this.add(plan);
  }

  add(plan: FaultPlan): this {
    this.#plans.push({ ...plan, seen: 0 });
    return this;
  }

  /** No more faults, and alive again. */
  heal(): this {
    this.#plans = [];
    this.#dead = false;
    return this;
  }

  /** Every later call fails. */
  die(): this {
    this.#dead = true;
    return this;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** How many calls of a kind there were whose ID fits. */
  count(kind: CallKind, id?: string | RegExp): number {
    return this.calls.filter((call) => call.kind === kind && fits(id, call.id)).length;
  }

  override async get(
    id: BlobId,
    options?: CallOptions & { readonly range?: ByteRange | undefined },
  ): Promise<OwnedBytes> {
    const fault = await this.#meet("get", id);
    const data = await this.inner.get(id, options);
    if (fault?.kind === "corrupt") flip(data, fault.byte);
    this.#after(fault, `get ${id}`);
    return data;
  }

  override async stat(id: BlobId, options?: CallOptions): Promise<BlobMetadata | undefined> {
    const fault = await this.#meet("stat", id);
    const metadata = await this.inner.stat(id, options);
    this.#after(fault, `stat ${id}`);
    return metadata;
  }

  override async put(
    id: BlobId,
    data: Uint8Array | readonly Uint8Array[],
    options?: PutOptions,
  ): Promise<BlobMetadata> {
    const fault = await this.#meet("put", id);
    if (fault?.kind === "lose") {
      return {
        id,
        lengthBytes: concatBytes(...blobParts(data)).byteLength,
        timestamp: options?.timestamp ?? 0n,
      };
    }
    if (fault?.kind === "tear") {
      const whole = concatBytes(...blobParts(data));
      await this.inner.put(id, whole.subarray(0, fault.keep ?? whole.byteLength >> 1), options);
      throw ioError(`put ${id}`);
    }
    let stored = data;
    if (fault?.kind === "corrupt") {
      const copy = concatBytes(...blobParts(data));
      flip(copy, fault.byte);
      stored = copy;
    }
    const metadata = await this.inner.put(id, stored, options);
    this.#after(fault, `put ${id}`);
    return metadata;
  }

  override async delete(id: BlobId, options?: CallOptions): Promise<void> {
    const fault = await this.#meet("delete", id);
    if (fault?.kind === "lose") return;
    await this.inner.delete(id, options);
    this.#after(fault, `delete ${id}`);
  }

  override async *list(
    prefix: string,
    options?: CallOptions,
  ): AsyncGenerator<readonly BlobMetadata[], void, void> {
    const fault = await this.#meet("list", prefix);
    for await (const page of this.inner.list(prefix, options)) {
      if (this.#dead) throw ioError(`list ${prefix}`);
      // lost blobs: the listing has only the first half of each page
      yield fault?.kind === "lose" ? page.slice(0, page.length >> 1) : page;
    }
    this.#after(fault, `list ${prefix}`);
  }

  /** Counts the call, throws what has to be thrown before it, and gives the fault that shapes it. */
  async #meet(kind: CallKind, id: string): Promise<Fault | undefined> {
    this.calls.push({ kind, id });
    if (this.#dead) throw ioError(`${kind} ${id}`);
    const fault = this.#next(kind, id);
    switch (fault?.kind) {
      case "fail":
        throw fault.error ?? ioError(`${kind} ${id}`);
      case "disk-full":
        if (kind === "put")
          throw new SejfError("SEJF_NO_SPACE", `put ${id}: no space left (fault of the test)`);
        return undefined;
      case "die":
        this.#dead = true;
        if (fault.after !== true) throw ioError(`${kind} ${id}`);
        return fault;
      case "delay":
        await fault.until;
        return undefined;
      case undefined:
      case "corrupt":
      case "fail-after":
      case "lose":
      case "tear":
        return fault;
    }
  }

  #after(fault: Fault | undefined, call: string): void {
    if (fault?.kind === "fail-after") throw fault.error ?? ioError(call);
    if (fault?.kind === "die") throw ioError(call);
  }

  /** Every plan sees every call that fits it; the first that is due wins. */
  #next(kind: CallKind, id: string): Fault | undefined {
    let due: Fault | undefined;
    for (const plan of this.#plans) {
      if ((plan.on !== "any" && plan.on !== kind) || !fits(plan.id, id)) continue;
      plan.seen++;
      const at = plan.at ?? 1;
      if (plan.seen >= at && plan.seen < at + (plan.times ?? 1)) due ??= plan.fault;
    }
    return due;
  }
}

function fits(pattern: string | RegExp | undefined, id: string): boolean {
  if (pattern === undefined) return true;
  return typeof pattern === "string" ? id.startsWith(pattern) : pattern.test(id);
}

function flip(data: OwnedBytes, byte = 0): void {
  if (byte < data.byteLength) data[byte] = (data[byte] ?? 0) ^ 1;
}

function ioError(call: string): SejfError {
  return new SejfError("SEJF_IO", `${call}: fault of the test`);
}
