/**
 * The bulk paths by threads that seal and open: their pieces are IDs with keys beside them, here they become references and
 * the other way. What cannot be a reference is the failure of its file.
 */
import { assert, errorFromUnknown } from "../errors/index.ts";
import type {
  BulkReader,
  BulkWriter,
  ContentId,
  ContentPiece,
  ContentRef,
  ContentRequest,
  FileBatch,
  FileResult,
  RestoreBatch,
  RestoreFilesOptions,
  RestoreJob,
  RestoreResult,
  SealedBulk,
  VerifyResult,
  WriteFilesOptions,
} from "../format/index.ts";
import type { CallOptions } from "../bytes/index.ts";
import { joinReference, splitReference } from "../sealed/index.ts";

interface FailedJob {
  readonly job: number;
  readonly ok: false;
  readonly code: ReturnType<typeof errorFromUnknown>["code"];
  readonly message: string;
}

export class SealedThreads implements BulkReader, BulkWriter {
  readonly #threads: SealedBulk;
  readonly #onSealed: (id: ContentId, sealedBytes: number) => void;

  /** `onSealed` is told the bytes of ciphertext of all that is written. */
  constructor(threads: SealedBulk, onSealed: (id: ContentId, sealedBytes: number) => void) {
    this.#threads = threads;
    this.#onSealed = onSealed;
  }

  async *writeFiles(
    batches: AsyncIterable<FileBatch>,
    options: WriteFilesOptions = {},
  ): AsyncGenerator<readonly FileResult[], void, void> {
    const { onReading } = options;
    const toRef = (piece: ContentPiece): ContentPiece => this.#written(piece);
    const pages = this.#threads.writeFiles(batches, {
      ...options,
      onReading:
        onReading === undefined
          ? undefined
          : (job, soFar) => onReading(job, () => soFar().map(toRef)),
    });
    for await (const page of pages)
      yield page.map((result) =>
        result.ok ? { ...result, pieces: result.pieces.map(toRef) } : result,
      );
  }

  async *restoreFiles(
    batches: AsyncIterable<RestoreBatch>,
    options?: RestoreFilesOptions,
  ): AsyncGenerator<readonly RestoreResult[], void, void> {
    const failed: FailedJob[] = [];
    const sealed = mapped(batches, ({ directory, files }) => ({
      directory,
      files: each(files, failed, sealedFile),
    }));
    for await (const page of this.#threads.restoreFiles(sealed, options))
      yield [...page, ...failed.splice(0)];
    if (failed.length > 0) yield failed;
  }

  async *verifyMany(
    requests: AsyncIterable<readonly ContentRequest[]>,
    options?: CallOptions,
  ): AsyncGenerator<readonly VerifyResult[], void, void> {
    const failed: FailedJob[] = [];
    const sealed = mapped(requests, (page) =>
      each(page, failed, ({ job, ref }) => ({ job, ...opened(ref) })),
    );
    for await (const page of this.#threads.verifyMany(sealed, options))
      yield [...page, ...failed.splice(0)];
    if (failed.length > 0) yield failed;
  }

  #written({ ref, lengthBytes, seal }: ContentPiece): ContentPiece {
    assert(seal !== undefined && "sealedBytes" in seal, "a piece that threads wrote is sealed");
    this.#onSealed(ref as string as ContentId, seal.sealedBytes);
    return { ref: joinReference(ref as string as ContentId, seal.keyText), lengthBytes };
  }
}

function sealedFile(file: RestoreJob): RestoreJob {
  const pieces = file.pieces.map(({ ref, lengthBytes }) => ({ lengthBytes, ...opened(ref) }));
  return { ...file, pieces };
}

/** @throws SEJF_INVALID_ID. */
function opened(ref: ContentRef): Required<Pick<ContentPiece, "ref" | "seal">> {
  const { id, keyText } = splitReference(ref);
  return { ref: id as string as ContentRef, seal: { keyText } };
}

async function* mapped<T, R>(
  source: AsyncIterable<T>,
  change: (item: T) => R,
): AsyncGenerator<R, void, void> {
  for await (const item of source) yield change(item);
}

/** Those that can be changed; the others are told. */
function each<T extends { readonly job: number }, R>(
  items: readonly T[],
  failed: FailedJob[],
  change: (item: T) => R,
): R[] {
  const changed: R[] = [];
  for (const item of items) {
    try {
      changed.push(change(item));
    } catch (error) {
      const { code, message } = errorFromUnknown(error, "reading a sealed content");
      failed.push({ job: item.job, ok: false, code, message });
    }
  }
  return changed;
}
