/**
 * The account service over HTTP. SECURITY: anybody who reaches the port may send anything; bodies are bounded and read
 * whole, a page of another site cannot send them (they are JSON, which a browser asks about first), and who has no token
 * gets no further than logins and enrollment. Nothing of a body reaches a log.
 */
import { type Context, Hono } from "hono";
import { bytesToUtf8 } from "../../bytes/index.ts";
import { type ErrorCode, isSejfError, SejfError } from "../../errors/index.ts";
import { JsonShape, type ProbeScope, type VersionedDocument } from "../../sealed/index.ts";
import type { LoginGate, ServerLog } from "../types.ts";
import { readBody } from "../http/body.ts";
import { senderOf } from "../http/sender.ts";
import type { HttpEnv } from "../http/types.ts";
import { documentName } from "./documents.ts";
import { accessDenied, type Caller, type TokenCaller } from "./service-parts.ts";
import type { SealedRoom } from "./sealed-room.ts";

export interface AccountServiceOptions {
  /** `undefined` while no repository is served. */
  readonly room: () => SealedRoom | undefined;
  /** Absent on a server without passwords, which has no accounts. */
  readonly loginGate: LoginGate | undefined;
  readonly log: ServerLog;
  /** The sender of this request has proved who he is. */
  readonly onTrusted?: ((request: HttpEnv["Bindings"]["incoming"]) => void) | undefined;
}

type ServiceContext = Context<HttpEnv>;

/** Of callers without a token, and with one. */
const MAX_STRANGER_BYTES = 128 << 10;
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

/** Routes below `ACCOUNT_SERVICE_PATH`. */
export function createAccountService(options: AccountServiceOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  strangerRoutes(app, options);
  accountRoutes(app, options);
  groupRoutes(app, options);
  app.notFound(() =>
    failure(new SejfError("SEJF_NOT_FOUND", "there is no such call"), options.log),
  );
  app.onError((error) => failure(error, options.log));
  return app;
}

/** Without a token. */
function strangerRoutes(app: Hono<HttpEnv>, options: AccountServiceOptions): void {
  const call = (
    path: string,
    answer: (room: SealedRoom, caller: Caller, body: JsonShape) => Promise<object | undefined>,
  ): void => {
    app.post(path, async (context) => {
      const body = await bodyOf(context, MAX_STRANGER_BYTES);
      return reply(await answer(roomOf(options), callerOf(context), body));
    });
  };
  call("/enroll/start", async (room, caller, body) =>
    room.enrollment.start(caller, {
      account: body.text("account"),
      code: body.text("code"),
      ...passwordsIn(body),
    }),
  );
  call("/enroll/finish", async (room, caller, body) =>
    room.enrollment.finish(caller, {
      account: body.text("account"),
      code: body.text("code"),
      ...passwordsIn(body),
      recipient: body.text("recipient"),
      signingKey: body.text("signingKey"),
      certificate: body.text("certificate"),
      deviceName: body.text("deviceName"),
      reads: body.flag("reads"),
      keyring: body.text("keyring"),
      escrow: body.has("escrow") ? body.texts("escrow") : [],
    }),
  );
  call("/login/start", async (room, caller, body) => {
    const purpose = body.text("purpose");
    if (purpose !== "login" && purpose !== "delete") throw body.wrong("purpose", "login or delete");
    const startLoginRequest = body.text("startLoginRequest");
    return await room.logins.start(caller, {
      account: body.text("account"),
      purpose,
      startLoginRequest,
    });
  });
  call("/login/finish", async (room, caller, body) =>
    room.logins.finish(caller, {
      loginId: body.text("loginId"),
      finishLoginRequest: body.text("finishLoginRequest"),
    }),
  );
  call("/reset/start", async (room, caller, body) =>
    room.passwords.startReset(caller, {
      account: body.text("account"),
      signed: body.text("signed"),
    }),
  );
  call("/reset", async (room, caller, body) => {
    const keyring = body.object("keyring");
    await room.passwords.reset(caller, {
      account: body.text("account"),
      signed: body.text("signed"),
      keyring: { version: keyring.integer("version"), text: keyring.text("text") },
    });
    return undefined;
  });
}

/** What an account has for itself. */
function accountRoutes(app: Hono<HttpEnv>, options: AccountServiceOptions): void {
  const call = tokenCalls(app, options);
  call("post", "/password/start", async ({ room, caller, body }) =>
    room.passwords.start(caller, passwordsIn(await body())),
  );
  call("post", "/password/finish", async ({ room, caller, body }) => {
    const given = await body();
    const keyring = given.object("keyring");
    await room.passwords.finish(
      caller,
      {
        login: given.has("login") ? given.text("login") : undefined,
        delete: given.has("delete") ? given.text("delete") : undefined,
        keyring: { version: keyring.integer("version"), text: keyring.text("text") },
      },
      false,
    );
    return undefined;
  });
  call("post", "/rekey", async ({ room, caller, body }) => {
    const given = await body();
    const document = (name: string): VersionedDocument => {
      const shape = given.object(name);
      return { version: shape.integer("version"), text: shape.text("text") };
    };
    const policies = given.has("policies") ? document("policies") : undefined;
    const rekey = { signed: given.text("signed"), keyring: document("keyring"), policies };
    await room.rekey.apply(caller, rekey, false);
    return undefined;
  });
  call("get", "/documents/:name", async ({ room, caller, context }) =>
    room.documents.get(caller, documentName(context.req.param("name") ?? "")),
  );
  call("put", "/documents/:name", async ({ room, caller, context, body }) => {
    const name = documentName(context.req.param("name") ?? "");
    const given = await body();
    const document = { version: given.integer("version"), text: given.text("text") };
    await room.documents.put(caller, name, document);
    return undefined;
  });
  call("get", "/heads", async ({ room, account }) => ({ heads: await room.heads(account) }));
  call("get", "/devices", async ({ room, caller }) => ({
    devices: await room.devices.list(caller),
  }));
  call("post", "/devices", async ({ room, caller, body }) => {
    const given = await body();
    return await room.devices.add(caller, {
      certificate: given.text("certificate"),
      name: given.text("name"),
      reads: given.flag("reads"),
    });
  });
  call("patch", "/devices/:id", async ({ room, caller, context, body }) => {
    await room.devices.rename(caller, context.req.param("id") ?? "", (await body()).text("name"));
    return undefined;
  });
}

function groupRoutes(app: Hono<HttpEnv>, options: AccountServiceOptions): void {
  const call = tokenCalls(app, options);
  call("get", "/groups", async ({ room, caller }) => ({ groups: await room.groups.list(caller) }));
  call("get", "/groups/:id", async ({ room, caller, context }) =>
    room.groups.get(caller, context.req.param("id") ?? ""),
  );
  call("put", "/groups/:id", async ({ room, caller, context, body }) => {
    const given = await body();
    const group = {
      id: sameId(context, given.hex("id", 16)),
      epoch: given.integer("epoch"),
      file: given.text("file"),
      members: given.texts("members"),
      admins: given.texts("admins"),
      probe: probeOf(given),
    };
    await room.groups.put(caller, group);
    return undefined;
  });
  call("get", "/groups/:id/joins", async ({ room, caller, context }) => ({
    joins: await room.groups.joins(caller, context.req.param("id") ?? ""),
  }));
  call("get", "/invites/:id", async ({ room, context }) =>
    room.groups.invite(context.req.param("id") ?? ""),
  );
  call("put", "/invites/:id", async ({ room, caller, context, body }) => {
    const given = await body();
    await room.groups.putInvite(caller, {
      id: sameId(context, given.hex("id", 16)),
      group: given.hex("group", 16),
      expires: given.text("expires"),
      nonce: given.text("nonce"),
      ct: given.text("ct"),
    });
    return undefined;
  });
  call("delete", "/invites/:id", async ({ room, caller, context }) => {
    await room.groups.deleteInvite(caller, context.req.param("id") ?? "");
    return undefined;
  });
  call("post", "/invites/:id/join", async ({ room, caller, context, body }) => {
    const given = await body();
    await room.groups.join(caller, {
      inviteId: sameId(context, given.hex("inviteId", 16)),
      account: given.text("account"),
      recipient: given.text("recipient"),
      mac: given.text("mac"),
    });
    return undefined;
  });
}

interface TokenCall {
  readonly room: SealedRoom;
  readonly caller: TokenCaller;
  readonly account: Parameters<SealedRoom["heads"]>[0];
  readonly context: ServiceContext;
  /** Read when it is asked for, after the token was checked. */
  readonly body: () => Promise<JsonShape>;
}

type TokenRoute = (
  method: "get" | "put" | "post" | "patch" | "delete",
  path: string,
  answer: (call: TokenCall) => Promise<object | undefined>,
) => void;

/** With the token of an account. */
function tokenCalls(app: Hono<HttpEnv>, options: AccountServiceOptions): TokenRoute {
  return (method, path, answer) => {
    app.on(method.toUpperCase(), path, async (context) => {
      const room = roomOf(options);
      const { caller, account } = await authenticate(context, room, options);
      const body = async (): Promise<JsonShape> => await bodyOf(context, MAX_BYTES);
      return reply(await answer({ room, caller, account, context, body }));
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

function callerOf(context: ServiceContext): Caller {
  const { address, text } = senderOf(context);
  return { address, from: text };
}

/** @throws SEJF_NOT_CONNECTED. */
function roomOf({ room }: AccountServiceOptions): SealedRoom {
  const open = room();
  if (open !== undefined) return open;
  throw new SejfError(
    "SEJF_NOT_CONNECTED",
    "the server is not connected to a repository at the moment",
  );
}

/** @throws SEJF_INVALID_ARGUMENT. */
async function bodyOf(context: ServiceContext, maxBytes: number): Promise<JsonShape> {
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

function passwordsIn(body: JsonShape): { readonly login: string; readonly delete?: string } {
  const login = body.text("login");
  return body.has("delete") ? { login, delete: body.text("delete") } : { login };
}

function probeOf(body: JsonShape): ProbeScope {
  const probe = body.text("probe");
  if (probe === "group" || probe === "own") return probe;
  throw body.wrong("probe", "group or own");
}

/** That of the address. */
function sameId(context: ServiceContext, id: string): string {
  if (context.req.param("id") === id) return id;
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    "the ID of the address is another one than in the body",
  );
}

function reply(answer: object | undefined): Response {
  return jsonText(200, answer ?? {});
}

/** SECURITY: errors that are not ours may hold anything: they are for the log. */
function failure(error: unknown, log: ServerLog): Response {
  if (isSejfError(error)) {
    // To a client, its own malformed data is a wrong argument.
    const code = error.code === "SEJF_CORRUPT" ? "SEJF_INVALID_ARGUMENT" : error.code;
    const status = STATUS[code];
    const { message, hint } = error;
    if (status !== undefined)
      return jsonText(status, {
        code,
        error: hint === undefined ? message : `${message} (${hint})`,
      });
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
