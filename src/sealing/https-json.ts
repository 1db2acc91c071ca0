/** JSON over HTTPS to one server whose certificate is pinned, with bounded answers. */
import type { IncomingMessage } from "node:http";
import {
  ERROR_CODES,
  type ErrorCode,
  errorFromUnknown,
  isSejfError,
  SejfError,
} from "../errors/index.ts";

const MAX_ANSWER_BYTES = 16 << 20;
const CONNECT_MS = 30_000;
const ANSWER_MS = 120_000;

export interface HttpsServer {
  readonly url: string;
  /** SHA-256 of the certificate in 64 hex digits; absent: the system's roots decide. */
  readonly fingerprint: string | undefined;
}

export interface HttpsCall {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  /** With a slash at the front. */
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The parsed answer. @throws SEJF_CONNECTION; SEJF_ACCESS_DENIED for a wrong certificate; the error that the server
 * answers with, by its code.
 */
export async function callJson(server: HttpsServer, call: HttpsCall): Promise<unknown> {
  // Accounts without a server need none of it, and it takes as long to load as a short command takes otherwise.
  const [{ request }, { openServerSocket, parseServerAddress }] = await Promise.all([
    // To import `node:http` loads all of `fetch` and WebSocket.
    import("node:https"),
    import("../rpc/client/index.ts"),
  ]);
  const address = parseServerAddress(server.url);
  const limit = AbortSignal.timeout(CONNECT_MS);
  const socket = await openServerSocket(
    address,
    "http/1.1",
    { fingerprint: server.fingerprint, signal: call.signal },
    call.signal === undefined ? limit : AbortSignal.any([call.signal, limit]),
  );
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request({
        method: call.method,
        path: call.path,
        headers: {
          host: address.authority,
          connection: "close",
          "content-type": "application/json",
          ...(call.token === undefined ? {} : { authorization: `Bearer ${call.token}` }),
          ...call.headers,
        },
        createConnection: () => socket,
        signal: call.signal,
      });
      outgoing.once("error", reject);
      outgoing.once("response", resolve);
      outgoing.setTimeout(ANSWER_MS, () => outgoing.destroy(new Error("no answer in time")));
      outgoing.end(call.body === undefined ? undefined : JSON.stringify(call.body));
    });
    return answerOf(server, response.statusCode ?? 0, await readText(response));
  } catch (error) {
    if (call.signal?.aborted === true || isSejfError(error)) throw error;
    const { message } = errorFromUnknown(error, `talking to ${server.url}`);
    throw new SejfError("SEJF_CONNECTION", message, { cause: error, retryable: true });
  } finally {
    socket.destroy();
  }
}

function answerOf(server: HttpsServer, status: number, text: string): unknown {
  let body: unknown;
  try {
    body = text === "" ? {} : (JSON.parse(text) as unknown);
  } catch {
    throw new SejfError(
      "SEJF_CONNECTION",
      `${server.url} is no sejf server: its answer is not JSON`,
      {
        hint: "sealed accounts with a login need a sejf server; on another one connect without --enroll",
      },
    );
  }
  if (status >= 200 && status < 300) return body;
  const { code, error, hint } = body as Readonly<Record<"code" | "error" | "hint", unknown>>;
  throw new SejfError(
    isErrorCode(code) ? code : status === 404 ? "SEJF_NOT_FOUND" : "SEJF_CONNECTION",
    typeof error === "string" ? error : `the server answers with status ${status}`,
    typeof hint === "string" ? { hint } : {},
  );
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response) {
    parts.push(part as Buffer);
    bytes += (part as Buffer).byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
  }
  return Buffer.concat(parts).toString("utf8");
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
}
