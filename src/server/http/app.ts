/**
 * All that is not gRPC: health, metrics, the control endpoints, the endpoints and files of the web interface. In this
 * order a request is looked at: is it one that a browser was tricked into, who sends it, may he do this at all, is its
 * body small, and does it carry the interface's token. Spec: kopia-server 9, 12.
 */
import { getRequestListener } from "@hono/node-server";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import type { OtherRequestHandler } from "../../rpc/index.ts";
import { ACCOUNT_SERVICE_PATH } from "../../sealed/index.ts";
import { failureReplyOf } from "../api/failure.ts";
import type { Principal } from "../types.ts";
import { authenticate } from "./basic-auth.ts";
import { readBody } from "./body.ts";
import { createControlApi } from "./control-api.ts";
import { CSRF_HEADER, isCsrfToken, SESSION_COOKIE } from "./csrf.ts";
import { HostGuard } from "./host-guard.ts";
import { errorReply, textReply } from "./replies.ts";
import { senderOf } from "./sender.ts";
import { createUiFiles } from "./ui-files.ts";
import type { HttpEnv, HttpOptions, UiOptions } from "./types.ts";

type Role = "ui" | "control";
type Middleware = MiddlewareHandler<HttpEnv>;

const DEFAULT_BODY_PATIENCE_MS = 30_000;
/** What the endpoints give is data: nothing of it may become a page or a script of this server. */
const API_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'";

/** The handler for both versions of HTTP. */
export function createHttpHandler(options: HttpOptions): OtherRequestHandler {
  const listener = getRequestListener(createHttpApp(options).fetch, {
    overrideGlobalObjects: false,
    errorHandler: () => textReply(400, "Bad request."),
  });
  return (request, response) => void listener(request, response);
}

export function createHttpApp(options: HttpOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(logged(options));
  app.get("/healthz", () => textReply(200, "ok"));
  app.get("/readyz", () => {
    const why = options.notReady();
    return why === undefined ? textReply(200, "ok") : textReply(503, why);
  });
  // Nobody is let in there by what a browser sends on its own, so it may ask for any name of this machine.
  if (options.accountService !== undefined) app.route(ACCOUNT_SERVICE_PATH, options.accountService);
  app.use(guarded(options));
  app.get("/metrics", allowed(options, ["ui", "control"]), async () => metricsReply(options));
  if (options.control !== undefined) {
    const control = createControlApi(options.control, options.audit);
    app.use("/api/v1/control/*", allowed(options, ["control"]), bounded(options));
    app.route("/api/v1/control", control);
  }
  // Without this the interface's routes would take what is left of the control group's.
  app.all("/api/v1/control/*", () => notFound());
  if (options.ui !== undefined) {
    const uiOnly = allowed(options, ["ui"]);
    app.use("/api/v1/*", uiOnly, bounded(options), tokenChecked(options.ui), confined);
    app.route("/api/v1", options.ui.api);
    app.all("/api/*", uiOnly, () => notFound());
    app.use("*", uiOnly);
    app.route("/", createUiFiles(options.ui, options.secure));
  }
  app.notFound(() => notFound());
  app.onError((error, context) => {
    const { method, path } = context.req;
    return failureReplyOf(error, (unknown) =>
      options.log.error({ method, path, err: unknown }, "a request failed"),
    );
  });
  return app;
}

/** A handler for the metrics alone, for an address of their own. */
export function createMetricsHandler(
  options: Pick<HttpOptions, "metrics" | "notReady">,
): OtherRequestHandler {
  const app = new Hono<HttpEnv>();
  app.get("/metrics", async () => metricsReply(options));
  app.notFound(() => notFound());
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return (request, response) => void listener(request, response);
}

async function metricsReply({ metrics }: Pick<HttpOptions, "metrics">): Promise<Response> {
  const headers = { "content-type": metrics.contentType, "cache-control": "no-store" };
  return new Response(await metrics.text(), { headers });
}

function notFound(): Response {
  return textReply(404, "404 page not found");
}

/** Notes where a request comes from; counts and logs its answer. */
function logged({ metrics, log, logRequests }: HttpOptions): Middleware {
  return async (context, next) => {
    context.set("from", senderOf(context).text);
    await next();
    const { method, path } = context.req;
    metrics.countRequest(method, context.res.status);
    if (logRequests)
      log.info(
        { method, path, status: context.res.status, from: context.get("from") },
        `${method} ${path}: ${context.res.status}`,
      );
  };
}

function guarded({ hostNames, secure, audit }: HttpOptions): Middleware {
  const guard = new HostGuard(hostNames, secure);
  return async (context, next) => {
    const { headers } = context.env.incoming;
    const authority = headers[":authority"] ?? headers.host;
    const verdict = guard.check({
      host: typeof authority === "string" ? authority : undefined,
      origin: headers.origin,
      fetchSite: context.req.header("sec-fetch-site"),
    });
    if (verdict.ok) return await next();
    audit.record({
      action: "http.refused",
      who: "unknown",
      from: context.get("from"),
      result: "denied",
      detail: verdict.why,
    });
    const hint = "the operator can allow names with --allowed-host";
    return errorReply("ACCESS_DENIED", `${verdict.why} (${hint})`);
  };
}

/** Lets callers of these roles in. Without a gate everybody has every role. */
function allowed(options: HttpOptions, roles: readonly [Role, ...Role[]]): Middleware {
  return async (context, next) => {
    const principal = await principalOf(options, context, roles[0]);
    if (principal instanceof Response) return principal;
    if (principal.role === "account" || !roles.includes(principal.role)) {
      options.audit.record({
        action: "http.refused",
        who: principal.role === "account" ? principal.account.name : principal.name,
        from: context.get("from"),
        result: "denied",
        target: `${context.req.method} ${context.req.path}`.slice(0, 200),
        detail: "not the role for this",
      });
      return errorReply("ACCESS_DENIED", "access is denied");
    }
    context.set("principal", principal);
    return await next();
  };
}

async function principalOf(
  { loginGate, onTrusted }: HttpOptions,
  context: Context<HttpEnv>,
  role: Role,
): Promise<Principal | Response> {
  if (loginGate === undefined) return { role, name: "anybody" };
  const { address } = senderOf(context);
  const header = context.req.header("authorization");
  const principal = await authenticate(loginGate, header, address, context.req.raw.signal);
  if (!(principal instanceof Response)) onTrusted?.(context.env.incoming);
  return principal;
}

/** Reads the body before the routes do. */
function bounded({ bodyPatienceMs = DEFAULT_BODY_PATIENCE_MS }: HttpOptions): Middleware {
  return async (context, next) => {
    const body = await readBody(context.req.raw, bodyPatienceMs);
    if (!body.ok) return textReply(body.status, "error reading request body");
    if (body.bytes !== undefined) {
      const { url, method, headers, signal } = context.req.raw;
      context.req.raw = new Request(url, { method, headers, signal, body: body.bytes });
    }
    return await next();
  };
}

function tokenChecked({ csrfKey, checkCsrf }: UiOptions): Middleware {
  return async (context, next) => {
    const isFree = context.req.method === "GET" && context.req.path.startsWith("/api/v1/objects/");
    const session = getCookie(context, SESSION_COOKIE);
    if (isFree || !checkCsrf || isCsrfToken(csrfKey, session, context.req.header(CSRF_HEADER)))
      return await next();
    return textReply(401, "Invalid or missing CSRF token.\n");
  };
}

const confined: Middleware = async (context, next) => {
  await next();
  context.header("content-security-policy", API_POLICY);
  context.header("x-content-type-options", "nosniff");
};
