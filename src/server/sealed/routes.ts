/**
 * The account service over HTTP. SECURITY: anybody who reaches the port may send anything; bodies are bounded and read
 * whole, a page of another site cannot send them (they are JSON, which a browser asks about first), and who has no token
 * gets no further than logins and enrollment. Nothing of a body reaches a log.
 */
import { Hono } from "hono";
import { SejfError } from "../../errors/index.ts";
import type { JsonShape, ProbeScope, VersionedDocument } from "../../sealed/index.ts";
import type { HttpEnv } from "../http/types.ts";
import { documentName } from "./documents.ts";
import { removalRoutes, trashRoutes } from "./removal-routes.ts";
import type { SealedRoom } from "./sealed-room.ts";
import {
  type AccountServiceOptions,
  bodyOf,
  callerOf,
  failure,
  MAX_STRANGER_BYTES,
  reply,
  roomOf,
  type ServiceContext,
  tokenCalls,
  type TokenRoute,
} from "./service-http.ts";
import type { Caller } from "./service-parts.ts";

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
  call("post", "/password/finish", async ({ room, caller, proof, body }) => {
    const given = await body();
    const keyring = given.object("keyring");
    const record = given.has("delete") ? given.text("delete") : undefined;
    if (proof !== undefined)
      await room.authority.assert(caller, proof, {
        verb: "password.delete",
        targets: [caller.account],
        params: { delete: record ?? null },
      });
    await room.passwords.finish(
      caller,
      {
        login: given.has("login") ? given.text("login") : undefined,
        delete: record,
        keyring: { version: keyring.integer("version"), text: keyring.text("text") },
      },
      proof !== undefined,
    );
    room.stepUps.forget(caller.account);
    return undefined;
  });
  call("post", "/rekey", async ({ room, caller, proof, body }) => {
    const given = await body();
    const document = (name: string): VersionedDocument => {
      const shape = given.object(name);
      return { version: shape.integer("version"), text: shape.text("text") };
    };
    const policies = given.has("policies") ? document("policies") : undefined;
    const rekey = { signed: given.text("signed"), keyring: document("keyring"), policies };
    if (proof !== undefined)
      await room.authority.assert(caller, proof, {
        verb: "account.rekey",
        targets: [caller.account],
        params: { signed: rekey.signed },
      });
    await room.rekey.apply(caller, rekey, proof !== undefined);
    room.stepUps.forget(caller.account);
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
  deviceRoutes(call);
  removalRoutes(call);
  trashRoutes(app, options);
}

function deviceRoutes(call: TokenRoute): void {
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
  call("delete", "/devices/:id", async ({ room, caller, proof, context }) => {
    const id = context.req.param("id") ?? "";
    await room.authority.assert(caller, proof, { verb: "device.revoke", targets: [id] });
    await room.devices.revoke(caller, id);
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
      keep: given.has("keep") && given.flag("keep"),
    };
    await room.groups.put(caller, group);
    return undefined;
  });
  call("get", "/groups/:id/former", async ({ room, caller, context }) => ({
    documents: await room.groups.former(caller, context.req.param("id") ?? ""),
  }));
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
      ...(given.has("key") ? { key: given.text("key"), keyMac: given.text("keyMac") } : {}),
    });
    return undefined;
  });
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
