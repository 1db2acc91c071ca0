/**
 * A connection that was upgraded for one call, as messages see it. Bytes are read straight to where they belong: Node
 * does that with the documented option `onread` of a socket that is about to connect, but has no words for a socket that
 * somebody else has made. Where what the option sets up is not found, chunks are read as from any stream, for twice the
 * work.
 */
import type { TLSSocket } from "node:tls";
import type { Intake, MessageStream, Receiver } from "./message-stream.ts";
import { SOCKET_OUTBOX } from "./outbox.ts";
import { PushedIntake } from "./pushed-intake.ts";

/** For prefixes and short messages; a TLS record is never longer. */
const BUFFER_BYTES = 16 << 10;

/** `head`: what came behind the headers already. */
export function socketMessageStream(socket: TLSSocket, head: Uint8Array): MessageStream {
  return {
    duplex: socket,
    outbox: SOCKET_OUTBOX,
    isBroken: () => socket.destroyed,
    endsWithFrame: true,
    receive: (receiver) => {
      const slots = readIntoSlots(socket);
      if (slots !== undefined) return new DirectIntake(socket, slots, head, receiver);
      if (head.byteLength > 0) socket.unshift(head);
      return new PushedIntake(socket, receiver);
    },
  };
}

/** Where a socket keeps what its option `onread` was. */
interface ReadIntoSlots {
  readonly buffer: symbol;
  readonly next: symbol;
  readonly onRead: symbol;
  readonly useBuffer: (buffer: Uint8Array) => void;
}

function readIntoSlots(socket: TLSSocket): ReadIntoSlots | undefined {
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string): symbol | undefined =>
    symbols.find(({ description }) => description === name);
  const [buffer, next, onRead] = [find("kBuffer"), find("kBufferGen"), find("kBufferCb")];
  const handle = Reflect.get(socket, "_handle") as
    | { readonly useUserBuffer?: (buffer: Uint8Array) => void }
    | null
    | undefined;
  const useBuffer = handle?.useUserBuffer?.bind(handle);
  if (buffer === undefined || next === undefined || onRead === undefined) return undefined;
  return useBuffer && { buffer, next, onRead, useBuffer };
}

/** Reads into messages. */
class DirectIntake implements Intake {
  readonly #socket: TLSSocket;
  readonly #receiver: Receiver;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** What the next bytes are read into. */
  #target: Uint8Array = this.#buffer;
  /** A connection hands over what it has decrypted, paused or not. */
  #held: Uint8Array[] = [];
  #isPaused = false;
  #isClosed = false;
  /** Tells the receiver how it ended, behind what is held. */
  #tellEnd: (() => void) | undefined;

  constructor(socket: TLSSocket, slots: ReadIntoSlots, head: Uint8Array, receiver: Receiver) {
    this.#socket = socket;
    this.#receiver = receiver;
    if (head.byteLength > 0) this.#held.push(head);
    for (let rest = readRest(socket); rest !== undefined; rest = readRest(socket))
      this.#held.push(rest);
    socket.on("end", this.#onEnd);
    socket.on("error", this.#onBreak);
    socket.on("close", this.#onBreak);
    Reflect.set(socket, slots.next, () => this.#nextTarget());
    Reflect.set(socket, slots.onRead, (count: number) => this.#onRead(count));
    Reflect.set(socket, slots.buffer, this.#target);
    slots.useBuffer(this.#target);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    while (this.#held.length > 0 && !this.#isPaused) this.#give(this.#held.shift() as Uint8Array);
    if (this.#isPaused) return;
    this.#socket.resume();
    this.#tellEnd?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#held = [];
    this.pause();
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("error", this.#onBreak);
    this.#socket.off("close", this.#onBreak);
  }

  /** SECURITY: a message that is whole may be somebody else's by now: it is never the target of what comes later. */
  #nextTarget(): Uint8Array {
    const isNext = !this.#isPaused && !this.#isClosed && this.#held.length === 0;
    this.#target = (isNext ? this.#receiver.room() : undefined) ?? this.#buffer;
    return this.#target;
  }

  /** True: go on with what `#nextTarget` gives, paused or not. */
  #onRead(count: number): boolean {
    if (this.#isClosed) return true;
    if (this.#target !== this.#buffer) this.#receiver.filled(count);
    else if (this.#isPaused || this.#held.length > 0) this.#held.push(this.#buffer.slice(0, count));
    else this.#give(this.#buffer.subarray(0, count));
    return true;
  }

  #give(chunk: Uint8Array): void {
    if (!this.#receiver.absorb(chunk)) this.#receiver.push(chunk);
  }

  readonly #onEnd = (): void => this.#over(() => this.#receiver.onEnd());

  readonly #onBreak = (cause?: unknown): void => this.#over(() => this.#receiver.onBreak(cause));

  #over(tell: () => void): void {
    this.#tellEnd ??= tell;
    if (this.#held.length === 0 && !this.#isPaused) this.#tellEnd();
  }
}

function readRest(socket: TLSSocket): Uint8Array | undefined {
  return (socket.read() as Uint8Array | null) ?? undefined;
}
