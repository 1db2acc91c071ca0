/**
 * A sealed account's documents (keyring, policies) in any repository: each is the one file of an ordinary snapshot of
 * `user@host:/sealed/<name>`, so that every server keeps it. Spec: sealed 3, 5.
 */
import {
  bytesToUtf8,
  type CallOptions,
  type Clock,
  formatTimestamp,
  goJson,
  utf8ToBytes,
} from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { type ContentRef, type ContentStore, parseContentId } from "../format/index.ts";
import { type ManifestStore, newestOf } from "../manifest/index.ts";
import { SEALED_ROOT } from "../sealed/index.ts";
import { splitAccount } from "./account.ts";

export type DocumentName = "keyring" | "policies";

/** Where an account's documents are kept. Writers race: whoever is last wins, versions inside tell. */
export interface DocumentStore {
  /** `undefined`: there is none yet. */
  load(name: DocumentName, options?: CallOptions): Promise<string | undefined>;
  /** So that the next `load` shows what others stored; absent: it always does. */
  refresh?(options?: CallOptions): Promise<void>;
  /** Durable when it resolves. */
  save(name: DocumentName, text: string, options?: CallOptions): Promise<void>;
}

const MAX_BYTES = 8 << 20;
const EPOCH = "1970-01-01T00:00:00Z";

export interface SnapshotDocumentsOptions {
  readonly contents: Pick<ContentStore, "read" | "write" | "flush">;
  readonly manifests: ManifestStore;
  /** Manifests, packs, index. */
  readonly flush: (options?: CallOptions) => Promise<void>;
  /** Looks at what others wrote. */
  readonly refresh?: ((options?: CallOptions) => Promise<void>) | undefined;
  readonly clock: Clock;
  /** `user@host`. */
  readonly account: string;
}

export class SnapshotDocuments implements DocumentStore {
  readonly #options: SnapshotDocumentsOptions;

  constructor(options: SnapshotDocumentsOptions) {
    this.#options = options;
  }

  async load(name: DocumentName, options?: CallOptions): Promise<string | undefined> {
    const { contents, manifests } = this.#options;
    const newest = newestOf(await manifests.find(this.#labels(name), options));
    if (newest === undefined) return undefined;
    const { data } = await manifests.get(newest.id, options);
    const root = rootObject(data);
    const listing = parseListing(name, bytesToUtf8(await contents.read(ref(name, root), options)));
    const object = listing.find((entry) => entry.name === fileName(name))?.obj;
    const bytes = await contents.read(ref(name, object), options);
    if (bytes.length > MAX_BYTES) throw damaged(name);
    return bytesToUtf8(bytes);
  }

  async refresh(options?: CallOptions): Promise<void> {
    await this.#options.refresh?.(options);
  }

  async save(name: DocumentName, text: string, options: CallOptions = {}): Promise<void> {
    const { contents, manifests, flush, clock, account } = this.#options;
    const old = await manifests.find(this.#labels(name), options);
    const time = formatTimestamp(BigInt(clock.nowMs()) * 1_000_000n);
    const bytes = utf8ToBytes(text);
    const obj = await contents.write(bytes, { ...options, prefix: "" });
    const size = bytes.byteLength;
    const summary = { size, files: 1, symlinks: 0, dirs: 1, maxTime: EPOCH, numFailed: 0 };
    const entry = { name: fileName(name), type: "f", mode: "0600", size, mtime: time, obj };
    const listing = { stream: "kopia:directory", entries: [entry], summary };
    const directory = utf8ToBytes(`${goJson(listing)}\n`);
    const root = await contents.write(directory, { ...options, prefix: "k" });
    const [userName, host] = splitAccount(account);
    await manifests.put(
      this.#labels(name),
      {
        id: "",
        source: { host, userName, path: pathOf(name) },
        description: "",
        startTime: time,
        endTime: time,
        rootEntry: { name, type: "d", mode: "0700", mtime: time, obj: root, summ: summary },
      },
      options,
    );
    for (const { id } of old) await manifests.delete(id, options);
    await flush(options);
  }

  #labels(name: DocumentName): Record<string, string> {
    const [username, hostname] = splitAccount(this.#options.account);
    return { type: "snapshot", username, hostname, path: pathOf(name) };
  }
}

function pathOf(name: DocumentName): string {
  return `${SEALED_ROOT}/${name}`;
}

function fileName(name: DocumentName): string {
  return `${name}.json`;
}

function ref(name: DocumentName, text: string | undefined): ContentRef {
  try {
    return parseContentId(text ?? "") as string as ContentRef;
  } catch (error) {
    throw damaged(name, error);
  }
}

function rootObject(data: unknown): string | undefined {
  const root = (data as { readonly rootEntry?: { readonly obj?: unknown } | undefined }).rootEntry;
  return typeof root?.obj === "string" ? root.obj : undefined;
}

function parseListing(
  name: DocumentName,
  text: string,
): readonly { readonly name: string; readonly obj: string }[] {
  try {
    const { entries } = JSON.parse(text) as { readonly entries: readonly unknown[] };
    return entries.map((entry) => {
      const { name: file, obj } = entry as { readonly name: unknown; readonly obj: unknown };
      return { name: String(file), obj: String(obj) };
    });
  } catch (error) {
    throw damaged(name, error);
  }
}

function damaged(name: DocumentName, cause?: unknown): SejfError {
  return new SejfError("SEJF_CORRUPT", `the account's ${name} in the repository is damaged`, {
    cause,
    hint: "the recovery kit can make a new one",
  });
}
