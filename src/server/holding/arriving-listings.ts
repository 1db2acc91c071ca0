/**
 * The listings that one session sends, read as they come, while the client is at work: when its snapshot follows,
 * nothing below the root is left to be looked at. A listing waits until what it names was noted as sent, or until a
 * snapshot is accepted without it. Few wait: those whose last contents are still on their way.
 */
import { isSejfError } from "../../errors/index.ts";
import type { ContentId } from "../../format/index.ts";
import { decodeChildren } from "../../snapshot/index.ts";
import type { ArrivingListings } from "./types.ts";
import type { SentLately, View, WaitingListing } from "./view.ts";

/** Of a listing that is read at once, while others wait; longer ones are left to the walk. */
const MAX_LISTING_BYTES: number = 256 << 10;
/** Of all that wait. What comes beyond it is left to the walk too. */
const MAX_WAITING_BYTES: number = 8 << 20;

/** What an account holds now: another view when it was forgotten meanwhile. */
export interface AccountView {
  readonly view: View;
  readonly sent: SentLately;
}

interface Waiting extends WaitingListing {
  readonly lengthBytes: number;
}

export class ListingsOfSession implements ArrivingListings {
  readonly #current: () => AccountView;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** For which the children of those that wait were taken. */
  #view: View | undefined;
  #losses: number | undefined;

  constructor(current: () => AccountView) {
    this.#current = current;
  }

  add(id: ContentId, listing: Uint8Array): void {
    const lengthBytes = listing.byteLength;
    if (lengthBytes > MAX_LISTING_BYTES || this.#waitingBytes + lengthBytes > MAX_WAITING_BYTES)
      return;
    try {
      this.#waiting.push({ id, children: decodeChildren(listing), taken: 0, lengthBytes });
    } catch (error) {
      // Whoever puts a snapshot that reaches it is told.
      if (isSejfError(error, "SEJF_CORRUPT") || isSejfError(error, "SEJF_INVALID_ID")) return;
      throw error;
    }
    this.#waitingBytes += lengthBytes;
    this.retry();
  }

  retry(): void {
    if (this.#waiting.length === 0) return;
    const { view, sent } = this.#current();
    if (!view.isCurrent) return;
    this.#startAnewIn(view);
    // One may have waited for another that came after it.
    for (let before = Infinity; this.#waiting.length < before; ) {
      before = this.#waiting.length;
      this.#waiting = this.#waiting.filter((listing) => !view.takeListing(listing, sent));
    }
    this.#waitingBytes = this.#waiting.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  }

  /** What was taken for another view, or before something was lost, says nothing about this one. */
  #startAnewIn(view: View): void {
    if (view === this.#view && view.losses === this.#losses) return;
    this.#view = view;
    this.#losses = view.losses;
    for (const listing of this.#waiting) listing.taken = 0;
  }
}
