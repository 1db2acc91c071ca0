/**
 * How far clients may send ahead. What all of them together can make the server hold unread is bounded: a few clients
 * get wide windows, which long ways need, many get narrower ones.
 */
import type { Http2Session } from "node:http2";

export interface WindowLimits {
  readonly totalBytes: number;
  readonly mostBytes: number;
  readonly leastBytes: number;
}

export class WindowPlan {
  readonly #limits: WindowLimits;
  readonly #sessions = new Set<Http2Session>();
  #bytes: number;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
    this.#bytes = limits.mostBytes;
  }

  /** Of each connection at present. */
  get windowBytes(): number {
    return this.#bytes;
  }

  /** Widens the windows of a connection whose caller is known. */
  add(session: Http2Session): void {
    if (session.destroyed || this.#sessions.has(session)) return;
    this.#sessions.add(session);
    session.once("close", () => {
      this.#sessions.delete(session);
      this.#plan();
    });
    if (!this.#plan()) setWindow(session, this.#bytes);
  }

  /** In steps of two, so that few connections coming and going change nothing. */
  #plan(): boolean {
    const { totalBytes, mostBytes, leastBytes } = this.#limits;
    let bytes = mostBytes;
    while (bytes > leastBytes && bytes * this.#sessions.size > totalBytes) bytes /= 2;
    if (bytes === this.#bytes) return false;
    this.#bytes = bytes;
    for (const session of this.#sessions) setWindow(session, bytes);
    return true;
  }
}

function setWindow(session: Http2Session, bytes: number): void {
  if (session.destroyed || session.closed) return;
  session.setLocalWindowSize(bytes);
  session.settings({ initialWindowSize: bytes });
}
