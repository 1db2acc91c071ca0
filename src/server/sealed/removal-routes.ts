/** What takes something away from an account, and what brings it back, over HTTP. Spec: sealed 9. */
import type { Hono } from "hono";
import type { HttpEnv } from "../http/types.ts";
import {
  type AccountServiceOptions,
  authenticateAny,
  reply,
  roomOf,
  type TokenRoute,
} from "./service-http.ts";

export function removalRoutes(call: TokenRoute): void {
  call("post", "/snapshots/delete", async ({ room, body, ...who }) => {
    await room.removals.deleteSnapshots(who, (await body()).texts("ids"));
    return undefined;
  });
  call("post", "/snapshots/pins", async ({ room, body, ...who }) => {
    const given = await body();
    const pins = given.texts("pins");
    return { id: await room.removals.setPins(who, { id: given.text("id"), pins }) };
  });
  call("put", "/policy", async ({ room, body, ...who }) => {
    const given = await body();
    const policy = given.has("policy") ? Object.fromEntries(given.entries("policy")) : null;
    await room.removals.setPolicy(who, { target: given.text("target"), policy });
    return undefined;
  });
}

/** For sealed accounts with a session, for managed ones with their password: deleting goes the same way for all. */
export function trashRoutes(app: Hono<HttpEnv>, options: AccountServiceOptions): void {
  app.get("/trash", async (context) => {
    const room = roomOf(options);
    const { account } = await authenticateAny(context, room, options);
    return reply({ snapshots: await room.trash.list(account) });
  });
  app.post("/trash/:id/undelete", async (context) => {
    const room = roomOf(options);
    const { account, caller } = await authenticateAny(context, room, options);
    const target = context.req.param("id") ?? "";
    const id = await room.trash.undelete(account, target);
    const { from } = caller;
    const event = { action: "snapshot.undelete", who: account.name, from, result: "ok" } as const;
    room.audit.record({ ...event, target: `${target} ${id}` });
    return reply({ id });
  });
}
