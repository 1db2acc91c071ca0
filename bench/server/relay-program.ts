/**
 * A TCP relay on this machine that holds every byte back for half a round trip, each way, without bounding the rate.
 * `node relay-program.ts PORT ROUND_TRIP_MS` relays to that port of 127.0.0.1 and prints its own; ends with its input.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What may be on its way in one direction before the relay stops reading, as on a long fat line. */
const MAX_HELD_BYTES = 64 << 20;
/** Timers are not more exact than that. */
const TIMER_MS = 1;

interface Held {
  /** `undefined`: the end. */
  readonly chunk: Buffer | undefined;
  readonly dueMs: number;
}

const [toPort, roundTripMs] = process.argv.slice(2).map(Number);
if (toPort === undefined || roundTripMs === undefined)
  throw new Error("usage: node relay-program.ts PORT ROUND_TRIP_MS");
const oneWayMs = roundTripMs / 2;

const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ port: toPort, host: "127.0.0.1", noDelay: true });
  delay(near, far);
  delay(far, near);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
process.stdin.on("end", () => process.exit(0)).resume();

function delay(from: Socket, to: Socket): void {
  const held: Held[] = [];
  let heldBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const written = (bytes: number): void => {
    heldBytes -= bytes;
    if (heldBytes <= MAX_HELD_BYTES) from.resume();
  };
  const pass = (): void => {
    timer = undefined;
    const nowMs = performance.now();
    for (;;) {
      const [first] = held;
      if (first === undefined) return;
      if (first.dueMs > nowMs) {
        timer = setTimeout(pass, Math.max(TIMER_MS, first.dueMs - nowMs));
        return;
      }
      held.shift();
      const { chunk } = first;
      if (chunk === undefined) to.end();
      else if (!to.destroyed) to.write(chunk, () => written(chunk.length));
    }
  };
  const hold = (chunk?: Buffer): void => {
    held.push({ chunk, dueMs: performance.now() + oneWayMs });
    timer ??= setTimeout(pass, oneWayMs);
  };
  from.on("data", (chunk: Buffer) => {
    heldBytes += chunk.length;
    if (heldBytes > MAX_HELD_BYTES) from.pause();
    hold(chunk);
  });
  from.on("end", () => hold());
  from.on("error", () => to.destroy());
  from.on("close", () => void setTimeout(() => to.destroy(), oneWayMs + 100));
}
