/**
 * Snapshots of others that an account may read: whoever may restore them may read their contents. Which ones they are is
 * found anew when rights or snapshots change; what is taken from him takes its contents with it.
 */
import type { Labels, ManifestMetadata } from "../../manifest/index.ts";
import type { AccessRights, Account } from "../types.ts";
import type { SourceSnapshots } from "./snapshot-sources.ts";
import type { View, ViewOptions } from "./view.ts";

export class ForeignSnapshots {
  readonly #makeView: (find: ViewOptions["find"]) => View;
  #view: View | undefined;
  #readable: readonly ManifestMetadata[] = [];
  #rights: AccessRights | undefined;
  #sources: readonly SourceSnapshots[] | undefined;

  constructor(makeView: (find: ViewOptions["find"]) => View) {
    this.#makeView = makeView;
  }

  get size(): number {
    return this.#view?.size ?? 0;
  }

  get memoryBytes(): number {
    return this.#view?.memoryBytes ?? 0;
  }

  drop(): void {
    this.#view = undefined;
  }

  /** `undefined` when there is nothing that he may read; the caller brings the view up to date. */
  viewFor(
    account: Account,
    rights: AccessRights,
    sources: readonly SourceSnapshots[],
  ): View | undefined {
    if (rights !== this.#rights || sources !== this.#sources) {
      this.#change(readableOf(account, rights, sources));
      this.#rights = rights;
      this.#sources = sources;
    }
    if (this.#readable.length === 0) return undefined;
    // oxlint-disable-next-line require-await -- the interface is asynchronous
    return (this.#view ??= this.#makeView(async () => this.#readable));
  }

  #change(readable: readonly ManifestMetadata[]): void {
    const before = this.#readable;
    if (isSame(readable, before)) return;
    const ids = new Set(readable.map(({ id }) => id));
    if (before.some(({ id }) => !ids.has(id))) this.#view = undefined;
    // There are more than before: the view is to look for them.
    else this.#view?.expectMore();
    this.#readable = readable;
  }
}

export function mayRead(rights: AccessRights, labels: Labels): boolean {
  return rights.manifest(labels) !== "NONE";
}

function readableOf(
  { username, hostname }: Account,
  rights: AccessRights,
  sources: readonly SourceSnapshots[],
): readonly ManifestMetadata[] {
  return sources
    .filter((one) => one.username !== username || one.hostname !== hostname)
    .filter(({ labels }) => mayRead(rights, labels))
    .flatMap(({ snapshots }) => snapshots);
}

function isSame(a: readonly ManifestMetadata[], b: readonly ManifestMetadata[]): boolean {
  return a.length === b.length && a.every(({ id }, index) => id === b[index]?.id);
}
