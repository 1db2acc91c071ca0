/**
 * Snapshots of others that an account may read: whoever may restore them may read their contents. Which ones they are is
 * found anew when rights or snapshots change; what is taken from him takes its contents with it.
 */
import type { CallOptions } from "../../bytes/index.ts";
import type { Labels, ManifestMetadata } from "../../manifest/index.ts";
import type { AccessRights, Account } from "../types.ts";
import type { HeldRepository } from "./types.ts";
import type { View, ViewOptions } from "./view.ts";

export class ForeignSnapshots {
  readonly #manifests: HeldRepository["manifests"];
  readonly #makeView: (find: ViewOptions["find"]) => View;
  #view: View | undefined;
  #readable: readonly ManifestMetadata[] = [];
  #rights: AccessRights | undefined;
  #generation: number | undefined;

  constructor(
    manifests: HeldRepository["manifests"],
    makeView: (find: ViewOptions["find"]) => View,
  ) {
    this.#manifests = manifests;
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
  async viewFor(
    account: Account,
    rights: AccessRights,
    generation: number,
    options: CallOptions,
  ): Promise<View | undefined> {
    if (rights !== this.#rights || generation !== this.#generation) {
      const readable = await this.#find(account, rights, options);
      const ids = new Set(readable.map((item) => item.id));
      if (this.#readable.some((item) => !ids.has(item.id))) this.#view = undefined;
      // More than before: the view finds out at its next look, which a new list asks for.
      else if (readable.length > this.#readable.length) this.#view?.expectMore();
      this.#readable = readable;
      this.#rights = rights;
      this.#generation = generation;
    }
    if (this.#readable.length === 0) return undefined;
    // oxlint-disable-next-line require-await -- the interface is asynchronous
    return (this.#view ??= this.#makeView(async () => this.#readable));
  }

  async #find(
    { username, hostname }: Account,
    rights: AccessRights,
    options: CallOptions,
  ): Promise<readonly ManifestMetadata[]> {
    const all = await this.#manifests.find({ type: "snapshot" }, options);
    return all.filter(
      ({ labels }) =>
        (labels["username"] !== username || labels["hostname"] !== hostname) &&
        mayRead(rights, labels),
    );
  }
}

export function mayRead(rights: AccessRights, labels: Labels): boolean {
  return rights.manifest(labels) !== "NONE";
}
