/**
 * Tells a running server what to do, ours or kopia's: HTTP with basic authentication, over TLS with the system's roots or a
 * pinned certificate, over a local socket, or in the clear. Spec: kopia-server 9, "Control group".
 */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { type ErrorCode, isSejfError, SejfError } from "../../errors/index.ts";
import { type Flag, type FlagValues, text } from "../flags.ts";
import type { CommandContext } from "../context.ts";

const DEFAULT_ADDRESS = "http://127.0.0.1:51515";
const CONTROL_USER = "server-control";
const MAX_ANSWER_BYTES = 64 << 20;
const CONNECT_MS = 30_000;
/** A refresh of a big repository takes its time. */
const ANSWER_MS = 10 * 60_000;

type ControlFlags = {
  readonly address: Flag<string>;
  readonly serverControlUsername: Flag<string>;
  readonly serverControlPassword: Flag<string | undefined>;
  readonly serverUsername: Flag<string | undefined>;
  readonly serverPassword: Flag<string | undefined>;
  readonly serverCertFingerprint: Flag<string | undefined>;
};

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "SEJF_INVALID_ARGUMENT",
  403: "SEJF_ACCESS_DENIED",
  404: "SEJF_NOT_FOUND",
  501: "SEJF_UNSUPPORTED",
};

export const CONTROL_FLAGS: ControlFlags = {
  address: text("Address of the server to connect to", {
    env: "SERVER_ADDRESS",
    default: DEFAULT_ADDRESS,
    placeholder: "URL",
  }),
  serverControlUsername: text("Server control username", {
    env: "SERVER_USERNAME",
    default: CONTROL_USER,
    placeholder: "NAME",
  }),
  serverControlPassword: text("Server control password", {
    env: "SERVER_PASSWORD",
    placeholder: "PASSWORD",
  }),
  serverUsername: text("Older name of --server-control-username", { hidden: true }),
  serverPassword: text("Older name of --server-control-password", { hidden: true }),
  serverCertFingerprint: text("Server certificate fingerprint", {
    env: "SERVER_CERT_FINGERPRINT",
    placeholder: "SHA256",
  }),
};

export type ControlFlagValues = FlagValues<ControlFlags>;

/** One server to talk to. */
export class ControlClient {
  readonly #address: string;
  readonly #authorization: string;
  readonly #fingerprint: string | undefined;
  readonly #signal: AbortSignal;

  constructor(context: CommandContext, flags: ControlFlagValues) {
    const name = flags.serverUsername ?? flags.serverControlUsername;
    const password = flags.serverPassword ?? flags.serverControlPassword ?? "";
    this.#address = flags.address.replace(/\/+$/, "");
    this.#authorization = `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
    this.#fingerprint = flags.serverCertFingerprint?.replaceAll(":", "");
    this.#signal = context.signal;
  }

  async get(path: string): Promise<unknown> {
    return await this.#call("GET", path);
  }

  async post(path: string): Promise<unknown> {
    return await this.#call("POST", path, {});
  }

  async put(path: string, body: unknown): Promise<unknown> {
    return await this.#call("PUT", path, body);
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#answer(await this.#request(method, path), body);
    const bytes = await readAnswer(response);
    if (response.statusCode !== 200) throw this.#refusal(response.statusCode ?? 0, bytes);
    try {
      return JSON.parse(bytes) as unknown;
    } catch {
      throw this.#notAServer("its answer is not JSON");
    }
  }

  async #request(method: string, path: string): Promise<ClientRequest> {
    const headers = {
      authorization: this.#authorization,
      "content-type": "application/json",
      connection: "close",
    };
    const options = { method, path: `/api/v1/control/${path}`, headers, signal: this.#signal };
    const socketPath = /^unix\+http:\/\/(\/.+)$/.exec(this.#address)?.[1];
    if (socketPath !== undefined)
      return request({ ...options, socketPath, headers: { ...headers, host: "localhost" } });
    const url = URL.parse(this.#address);
    if (url?.protocol === "http:" && url.pathname === "/")
      return request({
        ...options,
        host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
        port: url.port === "" ? 80 : Number(url.port),
      });
    const { openServerSocket, parseServerAddress } = await import("../../rpc/client/index.ts");
    const address = parseServerAddress(this.#address);
    const socket = await openServerSocket(
      address,
      "http/1.1",
      { fingerprint: this.#fingerprint, signal: this.#signal },
      AbortSignal.any([this.#signal, AbortSignal.timeout(CONNECT_MS)]),
    );
    return request({
      ...options,
      headers: { ...headers, host: address.authority },
      createConnection: () => socket,
    });
  }

  async #answer(call: ClientRequest, body: unknown): Promise<IncomingMessage> {
    return await new Promise((resolve, reject) => {
      call.once("error", (error: NodeJS.ErrnoException) => {
        if (this.#signal.aborted) reject(this.#signal.reason as Error);
        else
          reject(
            new SejfError(
              "SEJF_CONNECTION",
              `cannot connect to ${this.#address}: ${error.message}`,
              {
                cause: error,
                hint:
                  error.code === "ECONNREFUSED"
                    ? "is the server running, and is this its address? see --address"
                    : undefined,
              },
            ),
          );
      });
      call.once("response", resolve);
      call.setTimeout(ANSWER_MS, () => call.destroy(new Error("no answer in time")));
      if (body === undefined) call.end();
      else call.end(JSON.stringify(body));
    });
  }

  #refusal(status: number, text: string): SejfError {
    if (status === 401)
      return new SejfError("SEJF_ACCESS_DENIED", `${this.#address} does not let this user in`, {
        hint: "give the control user's password with --server-control-password or in SEJF_SERVER_PASSWORD",
      });
    const message = errorText(text) ?? text.trim().slice(0, 300);
    return new SejfError(
      CODES[status] ?? "SEJF_CONNECTION",
      `the server refuses: ${message} (status ${status})`,
    );
  }

  #notAServer(why: string): SejfError {
    return new SejfError("SEJF_CONNECTION", `${this.#address} is no repository server: ${why}`);
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response) {
      parts.push(part as Buffer);
      bytes += (part as Buffer).byteLength;
      if (bytes > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
    }
  } catch (error) {
    if (isSejfError(error)) throw error;
    throw new SejfError("SEJF_CONNECTION", `the answer broke off: ${String(error)}`, {
      cause: error,
    });
  }
  return Buffer.concat(parts).toString("utf8");
}

function errorText(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
