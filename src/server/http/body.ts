/** Bodies of requests: read whole, bounded in length and time, before any handler runs. */
import { concatBytes, type OwnedBytes } from "../../bytes/index.ts";

/** Kopia's limit. */
export const MAX_BODY_BYTES = 100_000;

export type ReadBody =
  | { readonly ok: true; readonly bytes: OwnedBytes | undefined }
  | { readonly ok: false; readonly status: 408 | 413 };

/** `undefined` bytes: the request has no body. What comes after the limit is not read. */
export async function readBody(
  request: Request,
  patienceMs: number,
  maxBytes: number = MAX_BODY_BYTES,
): Promise<ReadBody> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) return { ok: false, status: 413 };
  if (request.body === null) return { ok: true, bytes: undefined };
  const body: ReadableStream<Uint8Array> = request.body;
  const reader = body.getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void reader.cancel();
  }, patienceMs);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) return { ok: false, status: 408 };
      if (done) return { ok: true, bytes: concatBytes(...parts) };
      length += value.byteLength;
      if (length > maxBytes) {
        void reader.cancel();
        return { ok: false, status: 413 };
      }
      parts.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}
