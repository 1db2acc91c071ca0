/** Many contents, pack by pack in the order of offsets: neighbours are fetched in one request. Bounded memory. */
import { type CallOptions, mapUnordered, type OwnedBytes } from "../bytes/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../errors/index.ts";
import {
  type ContentRequest,
  type ContentResult,
  type IndexEntry,
  parseContentId,
} from "../format/index.ts";
import type { ContentLoader } from "./content-loader.ts";

const WINDOW_REQUESTS = 4096;
const MAX_RANGE_BYTES = 4 << 20;
const MAX_GAP_BYTES = 64 << 10;
const PARALLEL_RANGES = 4;

interface Located {
  readonly job: number;
  readonly entry: IndexEntry;
}

/** Contents that are read together; all in one pack, in order. */
interface Run {
  readonly first: number;
  end: number;
  readonly items: Located[];
}

/** Results in any order; one failure is a result. An abort is thrown. */
export async function* readMany(
  loader: ContentLoader,
  requests: AsyncIterable<readonly ContentRequest[]>,
  options: CallOptions = {},
): AsyncGenerator<readonly ContentResult[], void, void> {
  for await (const window of windows(requests)) {
    options.signal?.throwIfAborted();
    const failed: ContentResult[] = [];
    const located: Located[] = [];
    for (const request of window) {
      try {
        located.push({
          job: request.job,
          entry: await loader.mustFind(parseContentId(request.ref), options),
        });
      } catch (error) {
        failed.push(failure(request.job, error, options));
      }
    }
    if (failed.length > 0) yield failed;
    yield* mapUnordered(
      runsOf(located),
      PARALLEL_RANGES,
      async (run, signal) => await readRun(loader, run, { signal }),
      options.signal,
    );
  }
}

async function readRun(
  loader: ContentLoader,
  run: Run,
  options: CallOptions,
): Promise<readonly ContentResult[]> {
  const [first] = run.items;
  if (run.items.length === 1 || first === undefined || loader.inMemory(first.entry) !== undefined)
    return await readEach(loader, run, options);
  let bytes: OwnedBytes;
  try {
    bytes = await loader.packRange(
      first.entry.packId,
      { offset: run.first, length: run.end - run.first },
      options,
    );
  } catch (error) {
    if (!isSejfError(error, "SEJF_BLOB_NOT_FOUND") && !isSejfError(error, "SEJF_RANGE")) {
      return run.items.map(({ job }) => failure(job, error, options));
    }
    return await readEach(loader, run, options);
  }
  return run.items.map(({ job, entry }): ContentResult => {
    const at = entry.packOffset - run.first;
    try {
      return {
        job,
        ok: true,
        data: loader.decode(entry, bytes.subarray(at, at + entry.packedLength)),
      };
    } catch (error) {
      return failure(job, error, options);
    }
  });
}

/** One by one, with all that a single read does about packs that have gone. */
async function readEach(
  loader: ContentLoader,
  run: Run,
  options: CallOptions,
): Promise<readonly ContentResult[]> {
  const results: ContentResult[] = [];
  for (const { job, entry } of run.items) {
    try {
      results.push({ job, ok: true, data: await loader.read(entry.contentId, options) });
    } catch (error) {
      results.push(failure(job, error, options));
    }
  }
  return results;
}

function runsOf(located: readonly Located[]): Run[] {
  const sorted = located.toSorted((a, b) =>
    a.entry.packId === b.entry.packId
      ? a.entry.packOffset - b.entry.packOffset
      : a.entry.packId < b.entry.packId
        ? -1
        : 1,
  );
  const runs: Run[] = [];
  let packId: string | undefined;
  for (const item of sorted) {
    const { packOffset, packedLength } = item.entry;
    const run = runs.at(-1);
    const end = packOffset + packedLength;
    if (
      run === undefined ||
      packId !== item.entry.packId ||
      packOffset - run.end > MAX_GAP_BYTES ||
      end - run.first > MAX_RANGE_BYTES
    ) {
      runs.push({ first: packOffset, end, items: [item] });
    } else {
      run.end = Math.max(run.end, end);
      run.items.push(item);
    }
    packId = item.entry.packId;
  }
  return runs;
}

async function* windows(
  requests: AsyncIterable<readonly ContentRequest[]>,
): AsyncGenerator<readonly ContentRequest[], void, void> {
  let window: ContentRequest[] = [];
  for await (const batch of requests) {
    for (const request of batch) {
      window.push(request);
      if (window.length === WINDOW_REQUESTS) {
        yield window;
        window = [];
      }
    }
  }
  if (window.length > 0) yield window;
}

function failure(job: number, error: unknown, options: CallOptions): ContentResult {
  if (options.signal?.aborted === true) throw error;
  const { code, message } =
    error instanceof SejfError ? error : errorFromUnknown(error, "reading a content");
  return { job, ok: false, code, message };
}
