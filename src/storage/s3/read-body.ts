/** Reads the body of an answer into memory of our own. Never a short read, never more than was announced. */
import { MAX_BLOB_BYTES } from "../../blob/index.ts";
import type { OwnedBytes } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";

/** What the SDK gives: a stream of Node's. */
export interface BodyStream extends AsyncIterable<Uint8Array> {
  destroy(error?: Error): unknown;
}

/** @throws SEJF_IO (retryable) when the body ends early or goes on; what breaks the connection as it is. */
export async function readBody(
  body: BodyStream,
  lengthBytes: number,
  doing: string,
  signal: AbortSignal | undefined,
): Promise<OwnedBytes> {
  if (lengthBytes > MAX_BLOB_BYTES) {
    body.destroy();
    throw new SejfError(
      "SEJF_IO",
      `${doing}: it is ${lengthBytes} bytes, at most ${MAX_BLOB_BYTES} can be read at once`,
    );
  }
  const data = new Uint8Array(lengthBytes);
  let done = 0;
  const abort = (): void => void body.destroy(new Error("aborted"));
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for await (const chunk of body) {
      if (done + chunk.byteLength > lengthBytes) throw wrongLength(doing, lengthBytes, "more");
      data.set(chunk, done);
      done += chunk.byteLength;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  if (done < lengthBytes) throw wrongLength(doing, lengthBytes, String(done));
  return data;
}

/** Of an answer nobody wants. */
export function discardBody(body: unknown): void {
  (body as BodyStream | undefined)?.destroy();
}

function wrongLength(doing: string, expected: number, found: string): SejfError {
  return new SejfError("SEJF_IO", `${doing}: ${expected} bytes expected, ${found} came`, {
    retryable: true,
  });
}
