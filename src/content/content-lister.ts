/** Listing and verifying: all contents in the order of their IDs, committed and pending, in bounded memory. */
import type { BlobId } from "../blob/index.ts";
import { hexToBytes } from "../bytes/index.ts";
import { type ErrorCode, SejfError } from "../errors/index.ts";
import type { ContentRef, ContentRequest, IndexEntry, VerifyResult } from "../format/index.ts";
import { IndexSet } from "../node/index/index.ts";
import type { CommittedIndex } from "./committed-index.ts";
import { assertFits } from "./content-writer.ts";
import type { Context } from "./context.ts";
import type { Pending } from "./pending.ts";
import type {
  ContentInfo,
  ContentProblem,
  ListContentsOptions,
  VerifyContentsOptions,
  VerifyContentsResult,
} from "./types.ts";

const PAGE_ENTRIES = 1024;
const MAX_LISTED_PROBLEMS = 1000;

export function infoOf(entry: IndexEntry): ContentInfo {
  const { contentId, ...rest } = entry;
  return { id: contentId, ref: contentId as string as ContentRef, ...rest };
}

/** As the index is when the first page is asked for. */
export async function* listContents(
  context: Context,
  committed: CommittedIndex,
  pending: Pending,
  options: ListContentsOptions = {},
): AsyncGenerator<readonly ContentInfo[], void, void> {
  await committed.ensureFresh(options);
  using lease = committed.lease();
  const { descriptor, segments } = lease.set;
  const all = new IndexSet(descriptor, [
    ...segments,
    ...pending.segments(context.format.indexVersion),
  ]);
  const prefix = options.prefix ?? "";
  const { from = "", to } = options.range ?? {};
  const first = from > prefix ? from : prefix;
  let page: ContentInfo[] = [];
  for (const entry of all.entries(keyNotAbove(first))) {
    const id: string = entry.contentId;
    if (id < first) continue;
    if ((to !== undefined && id >= to) || !id.startsWith(prefix)) break;
    if (entry.deleted && options.includeDeleted !== true) continue;
    if (page.push(infoOf(entry)) < PAGE_ENTRIES) continue;
    options.signal?.throwIfAborted();
    yield page;
    page = [];
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (page.length > 0) yield page;
}

/** A key that no ID at or behind `text` is below: the part of the text that is an ID's beginning. */
function keyNotAbove(text: string): Uint8Array | undefined {
  if (text === "") return undefined;
  const head = /^([g-z]?)([0-9a-f]*)/.exec(text);
  const prefix = head?.[1] ?? "";
  const digits = head?.[2] ?? "";
  const hash = hexToBytes(digits.slice(0, digits.length - (digits.length % 2)));
  return Uint8Array.of(prefix === "" ? 0 : prefix.charCodeAt(0), ...hash);
}

type Verify = (
  requests: AsyncIterable<readonly ContentRequest[]>,
  options: VerifyContentsOptions,
) => AsyncIterable<readonly VerifyResult[]>;

/** Every content's pack is there and long enough; a share of them is read in full. */
export class ContentVerifier {
  readonly #context: Context;
  readonly #list: (options: ListContentsOptions) => AsyncIterable<readonly ContentInfo[]>;
  readonly #verifyMany: Verify;

  constructor(
    context: Context,
    list: (options: ListContentsOptions) => AsyncIterable<readonly ContentInfo[]>,
    verifyMany: Verify,
  ) {
    this.#context = context;
    this.#list = list;
    this.#verifyMany = verifyMany;
  }

  async run(options: VerifyContentsOptions): Promise<VerifyContentsResult> {
    const packs = await this.#packLengths(options);
    const run = new VerifyRun(this.#context, packs, options);
    const results = this.#verifyMany(run.toRead(this.#list(options)), options);
    for await (const page of results) run.take(page);
    return run.result();
  }

  /** Packs that are not in the store yet are not looked for. */
  async #packLengths(options: VerifyContentsOptions): Promise<ReadonlyMap<BlobId, number>> {
    const lengths = new Map<BlobId, number>();
    for (const prefix of ["p", "q"]) {
      for await (const page of this.#context.storage.list(prefix, options)) {
        for (const blob of page) lengths.set(blob.id, blob.lengthBytes);
      }
    }
    return lengths;
  }
}

class VerifyRun {
  readonly #context: Context;
  readonly #packs: ReadonlyMap<BlobId, number>;
  readonly #options: VerifyContentsOptions;
  readonly #problems: ContentProblem[] = [];
  /** Being read, by job. */
  readonly #reading = new Map<number, ContentInfo>();
  #jobs = 0;
  #contents = 0;
  #read = 0;
  #problemCount = 0;

  constructor(
    context: Context,
    packs: ReadonlyMap<BlobId, number>,
    options: VerifyContentsOptions,
  ) {
    this.#context = context;
    this.#packs = packs;
    this.#options = options;
  }

  async *toRead(
    pages: AsyncIterable<readonly ContentInfo[]>,
  ): AsyncGenerator<readonly ContentRequest[], void, void> {
    for await (const page of pages) {
      const requests = page
        .filter((info) => this.#isPlausible(info) && this.#isChosen())
        .map((info) => this.#request(info));
      this.#options.onProgress?.(this.#contents, this.#problemCount);
      if (requests.length > 0) yield requests;
    }
  }

  take(results: readonly VerifyResult[]): void {
    for (const result of results) {
      const info = this.#reading.get(result.job);
      this.#reading.delete(result.job);
      this.#read++;
      if (!result.ok && info !== undefined) this.#report(info, result.code, result.message);
    }
  }

  result(): VerifyContentsResult {
    return {
      contents: this.#contents,
      readInFull: this.#read,
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  #request(info: ContentInfo): ContentRequest {
    const job = this.#jobs++;
    this.#reading.set(job, info);
    return { job, ref: info.ref };
  }

  #isPlausible(info: ContentInfo): boolean {
    this.#contents++;
    try {
      assertFits({ ...info, contentId: info.id }, this.#packs.get(info.packId));
      return true;
    } catch (error) {
      if (!(error instanceof SejfError)) throw error;
      this.#report(info, error.code, error.message);
      return false;
    }
  }

  #isChosen(): boolean {
    const percent = this.#options.fullPercent ?? 0;
    if (percent <= 0 || percent >= 100) return percent >= 100;
    const [high = 0, low = 0] = this.#context.random.bytes(2);
    return (high * 256 + low) / 65536 < percent / 100;
  }

  #report(info: ContentInfo, code: ErrorCode, message: string): void {
    this.#problemCount++;
    if (this.#problems.length < MAX_LISTED_PROBLEMS)
      this.#problems.push({ id: info.id, packId: info.packId, code, message });
  }
}
