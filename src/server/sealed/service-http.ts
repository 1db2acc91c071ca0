/**
 * Requests of the account service: who sends them, what is in them, how they are answered. SECURITY: bodies are read after
 * the token was checked, and bounded.
 */
import type { Context, Hono } from "hono";
import { base64UrlToBytes, bytesToUtf8 } from "../../bytes/index.ts";
import { type ErrorCode, isSejfError, SejfError } from "../../errors/index.ts";
import { JsonShape, STEP_UP_HEADER, type StepUpProof } from "../../sealed/index.ts";
import { parseBasic } from "../http/basic-auth.ts";
import { readBody } from "../http/body.ts";
import { senderOf } from "../http/sender.ts";
import type { HttpEnv } from "../http/types.ts";
import type { Account, LoginGate, ServerLog } from "../types.ts";
import type { SealedRoom } from "./sealed-room.ts";
import { accessDenied, assertSession, type Caller, type TokenCaller } from "./service-parts.ts";

export interface AccountServiceOptions {
  /** `undefined` while no repository is served. */
  readonly room: () => SealedRoom | undefined;
  /** Absent on a server without passwords, which has no accounts. */
  readonly loginGate: LoginGate | undefined;
  readonly log: ServerLog;
  /** The sender of this request has proved who he is. */
  readonly onTrusted?: ((request: HttpEnv["Bindings"]["incoming"]) => void) | undefined;
}

export type ServiceContext = Context<HttpEnv>;

/** Of callers without a token. */
export const MAX_STRANGER_BYTES: number = 128 << 10;
const MAX_BYTES = 8 << 20;
const PATIENCE_MS = 30_000;
const NOBODY = "unknown";

const STATUS: Partial<Record<ErrorCode, number>> = {
  SEJF_INVALID_ARGUMENT: 400,
  SEJF_ACCESS_DENIED: 403,
  SEJF_NOT_FOUND: 404,
  SEJF_ALREADY_EXISTS: 409,
  SEJF_LOCKED: 429,
  SEJF_UNSUPPORTED: 501,
  SEJF_READ_ONLY: 503,
  SEJF_NOT_CONNECTED: 503,
  SEJF_NO_SPACE: 507,
};

export interface TokenCall {
  readonly room: SealedRoom;
  readonly caller: TokenCaller;
  readonly account: Parameters<SealedRoom["heads"]>[0];
  readonly proof: StepUpProof | undefined;
  readonly context: ServiceContext;
  /** Read when it is asked for, after the token was checked. */
  readonly body: () => Promise<JsonShape>;
}

export type TokenRoute = (
  method: "get" | "put" | "post" | "patch" | "delete",
  path: string,
  answer: (call: TokenCall) => Promise<object | undefined>,
) => void;

/** With the token of an account. */
export function tokenCalls(app: Hono<HttpEnv>, options: AccountServiceOptions): TokenRoute {
  return (method, path, answer) => {
    app.on(method.toUpperCase(), path, async (context) => {
      const room = roomOf(options);
      const { caller, account } = await authenticate(context, room, options);
      const body = async (): Promise<JsonShape> => await bodyOf(context, MAX_BYTES);
      const proof = proofIn(context);
      return reply(await answer({ room, caller, account, proof, context, body }));
    });
  };
}

/** @throws SEJF_ACCESS_DENIED, SEJF_LOCKED. */
async function authenticate(
  context: ServiceContext,
  room: SealedRoom,
  { loginGate, onTrusted }: AccountServiceOptions,
): Promise<Pick<TokenCall, "caller" | "account">> {
  const caller = callerOf(context);
  const [, token] = /^bearer +(\S{1,200})$/i.exec(context.req.header("authorization") ?? "") ?? [];
  if (token === undefined || loginGate === undefined) throw accessDenied();
  const name = (await room.tokens.ownerOf(token)) ?? NOBODY;
  const { address } = caller;
  const login = await loginGate.login({ name, password: token, address, door: "http" });
  const { principal } = login;
  if (principal.role !== "account" || principal.token === undefined) throw accessDenied();
  onTrusted?.(context.env.incoming);
  const { account } = principal;
  return { account, caller: { ...caller, account: account.name, token: principal.token } };
}

/** Who may do what his account may: no device's token. @throws SEJF_ACCESS_DENIED, SEJF_LOCKED. */
export async function authenticateAny(
  context: ServiceContext,
  room: SealedRoom,
  options: AccountServiceOptions,
): Promise<{ readonly account: Account; readonly caller: Caller }> {
  const basic = parseBasic(context.req.header("authorization"));
  if (basic === undefined) {
    const found = await authenticate(context, room, options);
    assertSession(found.caller);
    return found;
  }
  const { loginGate, onTrusted } = options;
  if (loginGate === undefined) throw accessDenied();
  const caller = callerOf(context);
  const { address } = caller;
  const { principal } = await loginGate.login({ ...basic, address, door: "http" });
  if (principal.role !== "account" || principal.token !== undefined) throw accessDenied();
  onTrusted?.(context.env.incoming);
  return { account: principal.account, caller };
}

/** `undefined`: none was sent. @throws SEJF_INVALID_ARGUMENT. */
function proofIn(context: ServiceContext): StepUpProof | undefined {
  const header = context.req.header(STEP_UP_HEADER);
  if (header === undefined) return undefined;
  try {
    const shape = new JsonShape("the step-up", JSON.parse(bytesToUtf8(base64UrlToBytes(header))));
    return { stepUpId: shape.text("stepUpId"), mac: shape.text("mac") };
  } catch {
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the header with the step-up is malformed");
  }
}

export function callerOf(context: ServiceContext): Caller {
  const { address, text } = senderOf(context);
  return { address, from: text };
}

/** @throws SEJF_NOT_CONNECTED. */
export function roomOf({ room }: AccountServiceOptions): SealedRoom {
  const open = room();
  if (open !== undefined) return open;
  throw new SejfError(
    "SEJF_NOT_CONNECTED",
    "the server is not connected to a repository at the moment",
  );
}

/** @throws SEJF_INVALID_ARGUMENT. */
export async function bodyOf(context: ServiceContext, maxBytes: number): Promise<JsonShape> {
  const type = context.req.header("content-type") ?? "";
  if (!/^application\/json\b/i.test(type))
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the body is to be sent as application/json");
  const body = await readBody(context.req.raw, PATIENCE_MS, maxBytes);
  if (!body.ok)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      body.status === 413
        ? `the body has more than ${maxBytes} bytes`
        : "the body did not arrive in time",
    );
  let json: unknown;
  try {
    json = JSON.parse(bytesToUtf8(body.bytes ?? new Uint8Array(0)));
  } catch {
    // The parser's message repeats some of the text.
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the body is not JSON");
  }
  return new JsonShape("the request", json);
}

export function reply(answer: object | undefined): Response {
  return jsonText(200, answer ?? {});
}

/** SECURITY: errors that are not ours may hold anything: they are for the log. */
export function failure(error: unknown, log: ServerLog): Response {
  if (isSejfError(error)) {
    // To a client, its own malformed data is a wrong argument.
    const code = error.code === "SEJF_CORRUPT" ? "SEJF_INVALID_ARGUMENT" : error.code;
    const status = STATUS[code];
    const { message, hint } = error;
    if (status !== undefined) return jsonText(status, { code, error: message, hint });
  }
  log.error({ err: error }, "a call of the account service failed");
  return jsonText(500, { code: "SEJF_IO", error: "the server could not do it; its log says why" });
}

function jsonText(status: number, value: object): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  });
}
