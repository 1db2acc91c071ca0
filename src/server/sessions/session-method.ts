/**
 * The method that clients call: who is it, may he in, then his requests until he leaves or is told to. What he has not
 * flushed when the session ends in any way but his own half-close is dropped. Spec: kopia-server 3.
 *
 * SECURITY: nothing of a caller is read before his password was checked. While the session runs his account and his
 * rights are looked up again every few seconds; when the account is gone or its password is another, the session ends.
 */
import { availableParallelism } from "node:os";
import { isSejfError } from "../../errors/index.ts";
import {
  FairGate,
  GrpcError,
  type GrpcMethod,
  type GrpcServerCall,
  type RequestContext,
  type RequestKind,
  serveSession,
  type SessionHandlers,
} from "../../rpc/index.ts";
import type { Account, Login, TokenUse } from "../types.ts";
import { AccountSession } from "./account-session.ts";
import { contentHandlers } from "./content-handlers.ts";
import { Freshness } from "./freshness.ts";
import { manifestHandlers } from "./manifest-handlers.ts";
import { publicError } from "./public-errors.ts";
import type { SessionParts } from "./session-parts.ts";
import type { SessionMethodOptions } from "./method-options.ts";

const MAX_REAUTHORIZE_MS = 10_000;
const DEFAULT_REAUTHORIZE_MS = 5000;
/** With the pause between looks less than ten seconds: what was changed elsewhere counts by then. */
const DEFAULT_STALENESS_MS = 4000;
/** When the repository cannot be asked so often, the session ends: it might have no right to be there any more. */
const MAX_FAILED_CHECKS = 6;
const MAX_NAME_LENGTH = 256;

/** Serves sessions at `SESSION_PATH`. */
export function createSessionMethod(options: SessionMethodOptions): GrpcMethod {
  const { clock, holdings, repository } = options;
  const concurrency = options.maxConcurrency ?? 0;
  const limit = concurrency > 0 ? concurrency : 2 * availableParallelism();
  const refresh =
    options.refresh ??
    (async (call) => {
      await repository.refresh(call);
      holdings.refresh();
    });
  const parts: SessionParts = {
    options,
    reading: new FairGate(limit),
    writing: new FairGate(limit),
    freshness: new Freshness(clock, options.stalenessMs ?? DEFAULT_STALENESS_MS, refresh),
  };
  return async (call) => await serve(call, parts);
}

async function serve(call: GrpcServerCall, parts: SessionParts): Promise<void> {
  const { options } = parts;
  const { registry, accessRules, audit, log } = options;
  registry.assertOpen();
  const { signal } = call;
  const { login, account, token } = await logIn(call, parts);
  const rights = await accessRules.rightsOf(account, { signal });
  const session = new AccountSession(options, call, account, rights, registry.newId(), token);
  registry.add(session);
  call.trust(account.name);
  const checks = setInterval(
    watch(session, login, parts),
    Math.min(options.reauthorizeMs ?? DEFAULT_REAUTHORIZE_MS, MAX_REAUTHORIZE_MS),
  );
  const who = { account: account.name, from: call.peer, session: session.id };
  log.info(who, "session started");
  audit.record({ action: "session.start", who: account.name, from: call.peer, result: "ok" });
  try {
    await serveSession(call, handlersOf(session, parts), {
      onRequestError: (kind, error) => logFailure(session, parts, kind, error),
    });
    await session.flush({ signal });
  } finally {
    clearInterval(checks);
    registry.remove(session);
    log.info({ ...who, purpose: session.purpose, ...session.counters }, "session ended");
    const { length: lost } = session.manifests.changes;
    const detail = lost === 0 ? undefined : `${lost} changes of manifests were never flushed`;
    audit.record({
      action: "session.end",
      who: account.name,
      from: call.peer,
      result: "ok",
      detail,
    });
  }
}

/** @throws GrpcError PERMISSION_DENIED; UNAVAILABLE when there were too many failures. */
async function logIn(
  call: GrpcServerCall,
  { options, freshness }: SessionParts,
): Promise<{
  readonly login: Login;
  readonly account: Account;
  readonly token: TokenUse | undefined;
}> {
  const username = call.metadata.get("kopia-username") ?? "";
  const hostname = call.metadata.get("kopia-hostname") ?? "";
  const password = call.metadata.get("kopia-password");
  if (username === "" || hostname === "" || password === undefined)
    throw new GrpcError("PERMISSION_DENIED", "missing credentials");
  const name = `${username}@${hostname}`;
  const denied = `access denied for ${name.slice(0, MAX_NAME_LENGTH)}`;
  if (name.length > MAX_NAME_LENGTH) throw new GrpcError("PERMISSION_DENIED", denied);
  let login: Login;
  try {
    const { signal } = call;
    await freshness.ensure();
    const request = { name, password, address: addressOf(call.peer), door: "grpc" } as const;
    login = await options.loginGate.login(request, { signal });
  } catch (error) {
    if (isSejfError(error, "SEJF_ACCESS_DENIED")) throw new GrpcError("PERMISSION_DENIED", denied);
    if (isSejfError(error, "SEJF_LOCKED"))
      throw new GrpcError("UNAVAILABLE", `${denied}: too many logins failed, try again later`);
    throw error;
  }
  const { principal } = login;
  if (principal.role !== "account") throw new GrpcError("PERMISSION_DENIED", denied);
  return { login, account: principal.account, token: principal.token };
}

/** Looks again whether the session may be there, one look at a time. */
function watch(session: AccountSession, login: Login, parts: SessionParts): () => void {
  const { accessRules, log } = parts.options;
  let isLooking = false;
  let failures = 0;
  const look = async (): Promise<void> => {
    await parts.freshness.ensure();
    const principal = await login.renew();
    if (principal?.role !== "account") {
      const why = `access denied for ${session.account}: the account is gone or its password is another`;
      session.end(new GrpcError("PERMISSION_DENIED", why));
      return;
    }
    const { account, token } = principal;
    session.rights = await accessRules.rightsOf(account);
    session.principal = account;
    session.token = token;
    failures = 0;
  };
  const onFailure = (error: unknown): void => {
    failures++;
    log.warn({ err: error, account: session.account }, "a session's rights could not be read");
    if (failures >= MAX_FAILED_CHECKS)
      session.end(new GrpcError("UNAVAILABLE", "the server cannot read the session's rights"));
  };
  return () => {
    if (isLooking) return;
    isLooking = true;
    void look()
      .catch(onFailure)
      .finally(() => {
        isLooking = false;
      });
  };
}

function handlersOf(session: AccountSession, parts: SessionParts): SessionHandlers {
  const { options } = parts;
  const handlers: SessionHandlers = {
    ...contentHandlers(session, parts),
    ...manifestHandlers(session, parts),
    // Asynchronous like the others; this one has nothing to wait for.
    // oxlint-disable-next-line require-await
    initializeSession: async ({ purpose, readOnly }) => {
      session.purpose = purpose.slice(0, MAX_NAME_LENGTH);
      session.readOnly = readOnly;
      const { format } = options.repository.access;
      return {
        parameters: {
          hashFunction: format.hash,
          hmacSecret: format.secret,
          splitter: format.splitter,
          supportsContentCompression: format.indexVersion >= 2,
          sejfBatches: true,
          sejfUpgrades: true,
        },
      };
    },
    flush: async (_body, { signal }) => {
      session.assertContents("APPEND");
      await session.flush({ signal });
      return {};
    },
    sendNotification: async (body, { signal }) => {
      session.assertContents("APPEND");
      await options.notifications.accept({ account: session.principal, ...body }, { signal });
      return {};
    },
  };
  return counted(handlers, session, options);
}

/** Each request is counted, its failure told to the client in words that are for it. */
function counted(
  handlers: SessionHandlers,
  session: AccountSession,
  { registry, log }: SessionMethodOptions,
): SessionHandlers {
  const entries = Object.entries(handlers).map(([kind, handler]) => {
    // Each handler keeps its own types; here they are only passed on.
    const handle = handler as (body: unknown, context: RequestContext) => Promise<unknown>;
    const wrapped = async (body: unknown, context: RequestContext): Promise<unknown> => {
      try {
        return await session.counting(async () => await handle(body, context));
      } catch (error) {
        // Kopia's command line ends every session by cancelling it: no news for anybody.
        if (context.signal.aborted) throw error;
        const { told, hides } = publicError(error);
        if (hides) log.error({ err: error, account: session.account, kind }, "a request failed");
        throw told;
      } finally {
        registry.changed(session);
      }
    };
    return [kind, wrapped];
  });
  return Object.fromEntries(entries) as SessionHandlers;
}

function logFailure(
  session: AccountSession,
  { options }: SessionParts,
  kind: RequestKind,
  error: unknown,
): void {
  // The way to ask whether something is there.
  if (kind === "getContentInfo" && isSejfError(error, "SEJF_CONTENT_NOT_FOUND")) return;
  const message = isSejfError(error) ? error.message : "a defect of the server";
  options.log.debug({ account: session.account, kind, message }, "a request was refused");
}

/** Without the port. */
function addressOf(peer: string): string {
  const colon = peer.lastIndexOf(":");
  return colon < 0 ? peer : peer.slice(0, colon);
}
