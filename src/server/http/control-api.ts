/** The endpoints that the `server …` commands call, sejf's and kopia's. Spec: kopia-server 9, "Control group". */
import { type Context, Hono } from "hono";
import { malformed } from "../api/failure.ts";
import type { SourceActionResult, SourceFilter } from "../jobs/types.ts";
import type { AuditLog } from "../types.ts";
import { errorReply, jsonReply } from "./replies.ts";
import type { HttpEnv } from "./types.ts";

export type SourceAction = "trigger" | "cancel" | "pause" | "resume";

/** What can be told to the server. Those of `connected` need a repository. */
export interface ControlActions {
  /** The JSON of `control/status`. */
  status(): Promise<unknown>;
  /** Begins to stop the server; the answer still goes out. */
  shutdown(): void;
  connected(): ConnectedActions | undefined;
}

export interface ConnectedActions {
  /** The JSON of `control/sources`. */
  sources(filter: SourceFilter): Promise<unknown>;
  flush(): Promise<void>;
  refresh(): Promise<void>;
  act(action: SourceAction, filter: SourceFilter): SourceActionResult;
  /** The JSON of the storage's limits. */
  throttle(): unknown;
  /** @throws SEJF_INVALID_ARGUMENT. */
  setThrottle(json: unknown): void;
}

const ACTIONS: Readonly<Record<string, SourceAction>> = {
  "trigger-snapshot": "trigger",
  "cancel-snapshot": "cancel",
  "pause-source": "pause",
  "resume-source": "resume",
};

type RouteContext = Context<HttpEnv>;

/** Routes below `/api/v1/control`, for callers who were let in. */
export function createControlApi(actions: ControlActions, audit: AuditLog): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  const recorded = async (
    context: RouteContext,
    action: string,
    work: (connected: ConnectedActions) => Promise<unknown>,
  ): Promise<Response> => {
    const connected = actions.connected();
    if (connected === undefined) return notConnected();
    const event = { action: `control.${action}`, who: whoOf(context), from: context.get("from") };
    try {
      const reply = jsonReply(await work(connected));
      audit.record({ ...event, result: "ok", target: context.req.query("path") });
      return reply;
    } catch (error) {
      audit.record({ ...event, result: "failed", target: context.req.query("path") });
      throw error;
    }
  };
  app.get("/status", async () => jsonReply(await actions.status()));
  app.post("/shutdown", (context) => {
    audit.record({
      action: "control.shutdown",
      who: whoOf(context),
      from: context.get("from"),
      result: "ok",
    });
    // The answer goes out first.
    context.env.outgoing.once("close", () => actions.shutdown());
    return jsonReply({});
  });
  app.get("/sources", async (context) => {
    const connected = actions.connected();
    return connected === undefined
      ? notConnected()
      : jsonReply(await connected.sources(filterOf(context)));
  });
  app.post("/flush", async (context) =>
    recorded(context, "flush", async (connected) => {
      await connected.flush();
      return {};
    }),
  );
  app.post("/refresh", async (context) =>
    recorded(context, "refresh", async (connected) => {
      await connected.refresh();
      return {};
    }),
  );
  for (const [path, action] of Object.entries(ACTIONS)) {
    app.post(`/${path}`, (context) => act(context, action, actions, audit));
  }
  app.get("/throttle", () => {
    const connected = actions.connected();
    return connected === undefined ? notConnected() : jsonReply(connected.throttle());
  });
  app.put("/throttle", async (context) =>
    recorded(context, "throttle", async (connected) => {
      connected.setThrottle(await jsonBody(context));
      return {};
    }),
  );
  return app;
}

function act(
  context: RouteContext,
  action: SourceAction,
  actions: ControlActions,
  audit: AuditLog,
): Response {
  const connected = actions.connected();
  if (connected === undefined) return notConnected();
  const filter = filterOf(context);
  const result = connected.act(action, filter);
  const event = { action: `control.${action}`, who: whoOf(context), from: context.get("from") };
  if (result.size === 0) {
    audit.record({ ...event, result: "failed", target: filter.path, detail: "no such source" });
    return errorReply("NOT_FOUND", "no source of this server matches");
  }
  for (const [source, { success }] of result)
    audit.record({ ...event, result: success ? "ok" : "failed", target: source });
  return jsonReply({ sources: Object.fromEntries(result) });
}

async function jsonBody(context: RouteContext): Promise<unknown> {
  try {
    return await context.req.json();
  } catch {
    throw malformed("the body of the request is not JSON");
  }
}

function filterOf(context: RouteContext): SourceFilter {
  const { host, userName, path } = context.req.query();
  return {
    ...(host === undefined ? {} : { hostname: host }),
    ...(userName === undefined ? {} : { username: userName }),
    ...(path === undefined ? {} : { path }),
  };
}

function whoOf(context: RouteContext): string {
  const principal = context.get("principal");
  return principal.role === "account" ? principal.account.name : principal.name;
}

function notConnected(): Response {
  return errorReply("NOT_CONNECTED", "not connected");
}
