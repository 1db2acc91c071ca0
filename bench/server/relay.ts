/** A TCP relay on this machine that holds every byte back for half a round trip, each way, without bounding the rate. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What may be on its way in one direction before the relay stops reading, as on a long fat line. */
const MAX_HELD_BYTES = 64 << 20;

export class DelayingRelay implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  /** To a port of 127.0.0.1; `roundTripMs` are added. */
  static async start(toPort: number, roundTripMs: number): Promise<DelayingRelay> {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ port: toPort, host: "127.0.0.1", noDelay: true });
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      }
      delay(near, far, roundTripMs / 2);
      delay(far, near, roundTripMs / 2);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new DelayingRelay(server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function delay(from: Socket, to: Socket, ms: number): void {
  let held = 0;
  from.on("data", (chunk: Buffer) => {
    held += chunk.length;
    if (held > MAX_HELD_BYTES) from.pause();
    setTimeout(() => {
      if (to.destroyed) return;
      to.write(chunk, () => {
        held -= chunk.length;
        if (held <= MAX_HELD_BYTES) from.resume();
      });
    }, ms);
  });
  from.on("end", () => void setTimeout(() => to.end(), ms));
  from.on("error", () => to.destroy());
  from.on("close", () => void setTimeout(() => to.destroy(), ms + 100));
}
