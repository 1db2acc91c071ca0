/**
 * Connections on which nobody has proved yet who he is. They are few and do not last: when there are too many, the
 * oldest one of the address that has most of them goes, so that a flood from one place does not shut out the others.
 */
import type { Socket } from "node:net";

export interface StrangerLimits {
  readonly connections: number;
  /** After so long a connection without any request that is not a call is closed. */
  readonly patienceMs: number;
}

interface Stranger {
  readonly socket: Socket;
  readonly address: string;
  readonly timer: NodeJS.Timeout;
}

export class Strangers {
  readonly #limits: StrangerLimits;
  /** By both ends' ports and addresses, oldest first. */
  readonly #all = new Map<string, Stranger>();
  readonly #countByAddress = new Map<string, number>();

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#all.size;
  }

  /** A connection was made. Local sockets are not counted: who may open them the system decides. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    if (key === undefined) return;
    const address = socket.remoteAddress ?? "";
    const timer = setTimeout(() => socket.destroy(), this.#limits.patienceMs);
    timer.unref();
    this.#all.set(key, { socket, address, timer });
    this.#countByAddress.set(address, (this.#countByAddress.get(address) ?? 0) + 1);
    socket.once("close", () => this.#remove(key));
    if (this.#all.size > this.#limits.connections) this.#dropOne();
  }

  /** Its time is not counted any more: requests over HTTP have limits of their own. */
  stay(socket: Socket): void {
    clearTimeout(this.#all.get(keyOf(socket) ?? "")?.timer);
  }

  /** He has proved who he is. */
  trust(socket: Socket): void {
    this.#remove(keyOf(socket) ?? "");
  }

  #remove(key: string): void {
    const stranger = this.#all.get(key);
    if (stranger === undefined) return;
    clearTimeout(stranger.timer);
    this.#all.delete(key);
    const left = (this.#countByAddress.get(stranger.address) ?? 1) - 1;
    if (left === 0) this.#countByAddress.delete(stranger.address);
    else this.#countByAddress.set(stranger.address, left);
  }

  #dropOne(): void {
    let most = "";
    let mostCount = 0;
    for (const [address, count] of this.#countByAddress)
      if (count > mostCount) [most, mostCount] = [address, count];
    for (const [key, { socket, address }] of this.#all) {
      if (address !== most) continue;
      this.#remove(key);
      socket.destroy();
      return;
    }
  }
}

/** The same for a TLS socket and the one below it. `undefined` for local sockets. */
function keyOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
