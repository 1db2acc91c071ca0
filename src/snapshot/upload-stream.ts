/**
 * A snapshot of a stream: one file in a directory that exists nowhere. Directory and file have Kopia's attributes.
 * Spec: kopia-snapshots 4.1.
 */
import type { TimestampNs } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentPiece } from "../format/index.ts";
import { writeObject } from "../object/index.ts";
import { compressorOfFile, metadataCompressor } from "./compression-choice.ts";
import type { StreamSource } from "./create-types.ts";
import { encodeDirectory } from "./directory.ts";
import { isEntryName } from "./names.ts";
import type { Policy } from "./policy.ts";
import { SummaryBuilder } from "./summary-builder.ts";
import type { DirEntry } from "./types.ts";
import { checkpointedName } from "./upload-checkpoint.ts";
import { knownSplitter, settledWithin } from "./upload-files.ts";
import { storePieces } from "./upload-objects.ts";
import type { UploadSettings } from "./upload-settings.ts";

const MODE = 0o777;
const NOBODY = { uid: 0, gid: 0 } as const;
/** Go's zero time, which does not fit into nanoseconds of 64 bits. */
const NO_TIME: TimestampNs = -6_795_364_578_871_345_152n;
/** For the tally: there is only this one. */
const JOB = 0;

/** What the stream itself threw, as `cause`. */
class StreamFailed extends Error {}

export class StreamUpload {
  /** Why the tree is not complete; `undefined` when it is. */
  incomplete: string | undefined;
  readonly #settings: UploadSettings;
  readonly #source: StreamSource;
  /** Of the directory. */
  readonly #name: string;
  readonly #policy: Policy;
  readonly #mtimeNs: TimestampNs;
  readonly #pieces: ContentPiece[] = [];
  readonly #summary: SummaryBuilder = new SummaryBuilder();

  /** @throws SEJF_INVALID_ARGUMENT for a name that no file can have. */
  constructor(
    settings: UploadSettings,
    source: StreamSource,
    name: string,
    policy: Policy,
    mtimeNs: TimestampNs,
  ) {
    if (!isEntryName(source.name))
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `${JSON.stringify(source.name)} cannot be the name of a file in a snapshot`,
      );
    this.#settings = settings;
    this.#source = source;
    this.#name = name;
    this.#policy = policy;
    this.#mtimeNs = mtimeNs;
  }

  /** A stream that fails gives a directory without the file, an abort one with what came until then. @throws the storage's errors. */
  async upload(): Promise<DirEntry> {
    const { tally, log } = this.#settings;
    tally.directories++;
    tally.attemptedFiles++;
    tally.openFiles++;
    const begunMs = log.begun(this.#policy);
    const object = await this.#whileCheckpointing(this.#write());
    tally.openFiles--;
    tally.readWholly(JOB);
    if (object === undefined)
      return await this.#directory(
        this.incomplete === undefined ? undefined : await this.#entrySoFar(),
      );
    const entry = this.#fileEntry(this.#source.name, this.#pieces, object);
    tally.hashedFiles++;
    tally.hashedBytes += entry.sizeBytes;
    log.snapshotted("streaming file", this.#policy, "", entry, begunMs);
    return await this.#directory(entry);
  }

  /** `undefined` when stopped. */
  async #write(): Promise<DirEntry["object"] | undefined> {
    const { contents, format, signal, tally } = this.#settings;
    const { name, data } = this.#source;
    try {
      const { id } = await writeObject(contents, watched(data), {
        format,
        prefix: "",
        compressor: compressorOfFile(this.#policy, name, 0),
        metadataCompressor: metadataCompressor(this.#policy),
        splitter: knownSplitter(this.#policy),
        signal,
        onPiece: (piece) => {
          this.#pieces.push(piece);
          tally.readPartly(JOB, piece.lengthBytes);
        },
      });
      return id;
    } catch (error) {
      if (signal?.aborted === true) this.incomplete = "canceled";
      else if (error instanceof StreamFailed) this.#fail(error.message);
      else throw error;
      return undefined;
    }
  }

  #fail(message: string): void {
    const { tally, failFast } = this.#settings;
    const ignored = this.#policy.errorHandling.ignoreFileErrors ?? false;
    this.#summary.addFailure(this.#source.name, message, ignored);
    tally.failure(this.#source.name, message, ignored);
    if (failFast && !ignored) this.incomplete = "canceled";
  }

  async #whileCheckpointing<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => true,
      () => true,
    );
    for (;;) {
      const waitMs = this.#settings.checkpointInMs();
      if (waitMs <= 0) await this.#checkpoint();
      else if (await settledWithin(settled, waitMs)) return await work;
    }
  }

  async #checkpoint(): Promise<void> {
    await this.#settings.checkpoint(await this.#directory(await this.#entrySoFar(), "checkpoint"));
  }

  async #entrySoFar(): Promise<DirEntry | undefined> {
    const pieces = this.#pieces.slice();
    if (pieces.length === 0) return undefined;
    const object = await storePieces(this.#settings, pieces, this.#policy);
    return this.#fileEntry(checkpointedName(this.#source.name), pieces, object);
  }

  async #directory(
    entry: DirEntry | undefined,
    incomplete: string | undefined = this.incomplete,
  ): Promise<DirEntry> {
    const { contents, format } = this.#settings;
    const builder = this.#summary.clone();
    if (entry !== undefined) builder.add(entry);
    const summary = builder.build(NO_TIME, incomplete);
    const compressor = metadataCompressor(this.#policy);
    const entries = entry === undefined ? [] : [entry];
    const { id } = await writeObject(contents, encodeDirectory({ entries, summary }), {
      format,
      prefix: "k",
      compressor,
      metadataCompressor: compressor,
    });
    const { uid, gid } = NOBODY;
    const name = this.#name;
    return {
      name,
      type: "d",
      mode: MODE,
      sizeBytes: 0,
      mtimeNs: NO_TIME,
      uid,
      gid,
      object: id,
      summary,
    };
  }

  #fileEntry(name: string, pieces: readonly ContentPiece[], object: DirEntry["object"]): DirEntry {
    const sizeBytes = pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    const { uid, gid } = NOBODY;
    return { name, type: "f", mode: MODE, sizeBytes, mtimeNs: this.#mtimeNs, uid, gid, object };
  }
}

async function* watched(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* data;
  } catch (error) {
    throw new StreamFailed(error instanceof Error ? error.message : String(error));
  }
}
