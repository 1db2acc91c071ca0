/**
 * Files read in full: their contents go through the bulk reader, each once, where they are decrypted, decompressed and
 * hashed again without coming here. Only objects that are compressed themselves are read through, to see that they
 * can be decompressed.
 */
import { type CallOptions, mapUnordered } from "../bytes/index.ts";
import { type ErrorCode, errorFromUnknown } from "../errors/index.ts";
import { type ContentRef, type ContentRequest, IdSet, type VerifyResult } from "../format/index.ts";
import { openObject } from "../object/index.ts";
import type { Repository } from "../repository/index.ts";
import type { Presence } from "./verify-presence.ts";
import type { VerifyTally } from "./verify-tally.ts";
import type { CheckedFile } from "./verify-walk.ts";

const PAGE_REQUESTS = 1024;
const READ_THROUGH_PARALLEL = 4;

/** A file with contents under way. */
interface Reading {
  readonly file: CheckedFile;
  open: number;
  failed: boolean;
}

interface Job {
  readonly reading: Reading;
  readonly ref: ContentRef;
  /** Plain bytes that the content must have. */
  readonly lengthBytes: number | undefined;
}

export class FileReader {
  readonly #repository: Repository;
  readonly #presence: Presence;
  readonly #tally: VerifyTally;
  readonly #call: CallOptions;
  readonly #requested: IdSet = new IdSet();
  readonly #jobs: Map<number, Job> = new Map();
  #nextJob = 0;

  constructor(
    repository: Repository,
    presence: Presence,
    tally: VerifyTally,
    options: CallOptions,
  ) {
    this.#repository = repository;
    this.#presence = presence;
    this.#tally = tally;
    this.#call = { signal: options.signal };
  }

  async run(files: AsyncGenerator<readonly CheckedFile[], void, void>): Promise<void> {
    const { contents } = this.#repository;
    for await (const page of contents.verifyMany(this.#requests(files), this.#call)) {
      for (const result of page) await this.#done(result);
      this.#tally.progress();
    }
  }

  async *#requests(
    files: AsyncGenerator<readonly CheckedFile[], void, void>,
  ): AsyncGenerator<readonly ContentRequest[], void, void> {
    for await (const page of files) {
      const compressed: CheckedFile[] = [];
      let requests: ContentRequest[] = [];
      for (const file of page) {
        if (this.#tally.stopped) return;
        if (file.pieces.some((piece) => piece.objectCompressed === true)) compressed.push(file);
        else requests.push(...this.#begin(file));
        if (requests.length < PAGE_REQUESTS) continue;
        yield requests;
        requests = [];
      }
      if (requests.length > 0) yield requests;
      const read = (file: CheckedFile): Promise<void> => this.#readThrough(file);
      for await (const _ of mapUnordered(
        compressed,
        READ_THROUGH_PARALLEL,
        read,
        this.#call.signal,
      )) {
        // Each call has told what it found.
      }
    }
  }

  /** Requests for those contents of the file that no other file has asked for. */
  #begin(file: CheckedFile): readonly ContentRequest[] {
    const reading: Reading = { file, open: 1, failed: false };
    const requests: ContentRequest[] = [];
    for (const { ref, lengthBytes } of file.pieces) {
      if (!this.#requested.add(ref)) continue;
      const job = this.#nextJob++;
      this.#jobs.set(job, { reading, ref, lengthBytes: file.isExact ? lengthBytes : undefined });
      requests.push({ job, ref });
      reading.open++;
    }
    this.#closeOne(reading);
    return requests;
  }

  async #done(result: VerifyResult): Promise<void> {
    const job = this.#jobs.get(result.job);
    if (job === undefined) return;
    this.#jobs.delete(result.job);
    const { reading, ref } = job;
    const failure = result.ok ? wrongLength(job, result.originalLength) : result;
    if (failure !== undefined) {
      reading.failed = true;
      this.#tally.brokenContents.add(ref);
      const { root, path, object } = reading.file;
      const blob = await this.#presence.packOf(ref, this.#call);
      const message = `object ${object} cannot be read: ${failure.message}`;
      this.#tally.report(root, { path, object, content: ref, blob, code: failure.code, message });
    }
    this.#closeOne(reading);
  }

  #closeOne(reading: Reading): void {
    if (--reading.open > 0 || reading.failed) return;
    this.#tally.readFiles++;
    this.#tally.readBytes += reading.file.sizeBytes;
  }

  async #readThrough(file: CheckedFile): Promise<void> {
    const { root, path, object, sizeBytes } = file;
    try {
      const reader = await openObject(this.#repository.contents, object, this.#call);
      let readBytes = 0;
      for await (const data of reader.stream(this.#call)) readBytes += data.length;
      if (readBytes !== sizeBytes) {
        const message = `object ${object} is ${readBytes} bytes, its directory entry says ${sizeBytes}`;
        this.#tally.report(root, { path, object, code: "SEJF_CORRUPT", message });
        return;
      }
      this.#tally.readFiles++;
      this.#tally.readBytes += readBytes;
    } catch (error) {
      this.#call.signal?.throwIfAborted();
      const cause = errorFromUnknown(error, "reading");
      const message = `object ${object} cannot be read: ${cause.message}`;
      this.#tally.report(root, { path, object, code: cause.code, message });
    }
  }
}

/** Where nothing told the length before the content was read. */
function wrongLength(
  { ref, lengthBytes }: Job,
  found: number,
): { readonly code: ErrorCode; readonly message: string } | undefined {
  if (lengthBytes === undefined || found === lengthBytes) return undefined;
  const message = `content ${ref} is ${found} bytes, expected ${lengthBytes}`;
  return { code: "SEJF_CORRUPT", message };
}
