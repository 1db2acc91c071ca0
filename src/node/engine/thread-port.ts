/** A thread's way to the main thread: it may be started before it is known what it will work on. */
import type { MessagePort } from "node:worker_threads";
import { ListingMemory } from "../files/index.ts";
import type { BeginThread, FromThread, ListDirectories, ThreadData, ToThread } from "./protocol.ts";

export class ThreadPort {
  readonly #port: MessagePort;
  readonly #early: ToThread[] = [];
  #listings: ListingMemory | undefined;
  #handler: ((message: ToThread) => void) | undefined;
  /** Resolves with what the thread must know, once it is told. */
  readonly begun: Promise<ThreadData>;

  constructor(port: MessagePort) {
    this.#port = port;
    this.begun = new Promise((resolve) => {
      port.on("message", (message: BeginThread | ListDirectories | ToThread) => {
        if (message.op === "begin") resolve(message.data);
        else if (message.op === "list") this.#list(message);
        else if (message.op === "end") this.#end(message);
        else if (this.#handler === undefined) this.#early.push(message);
        else this.#handler(message);
      });
    });
  }

  /** Gives what has come since the beginning, and all that comes. */
  listen(handler: (message: ToThread) => void): void {
    this.#handler = handler;
    for (const message of this.#early.splice(0)) handler(message);
  }

  post(message: FromThread, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #list({ memory, orders }: ListDirectories): void {
    if (this.#listings?.buffer !== memory) this.#listings = new ListingMemory(memory);
    for (const order of orders) this.#listings.fulfil(order);
  }

  /** Without the port nothing keeps the thread. */
  #end(message: ToThread): void {
    this.#handler?.(message);
    this.#port.close();
  }
}
