/** What the HTTP side of the server is made of. Spec: kopia-server 9. */
import type { Hono } from "hono";
import type { Http2Bindings, HttpBindings } from "@hono/node-server";
import type { Clock } from "../../bytes/index.ts";
import type { ApiVariables } from "../api/types.ts";
import type { AuditLog, LoginGate, ServerLog } from "../types.ts";
import type { ControlActions } from "./control-api.ts";
import type { ServerMetrics } from "./metrics.ts";

/** Environment of every route: who calls and from where, set before a route is reached. */
export interface HttpEnv {
  readonly Bindings: HttpBindings | Http2Bindings;
  readonly Variables: ApiVariables;
}

export interface HttpOptions {
  /** `undefined`: everybody is let in, as the operator said with explicit flags. */
  readonly loginGate: LoginGate | undefined;
  /** Names that requests may ask for, beside IP addresses and `localhost`. SECURITY: see `host-guard`. */
  readonly hostNames: readonly string[];
  /** Whether the server itself speaks TLS. */
  readonly secure: boolean;
  /** The endpoints of the web interface; absent with `--no-ui`. */
  readonly ui?: UiOptions | undefined;
  /** Absent with `--no-control-api`. */
  readonly control?: ControlActions | undefined;
  /** Routes below `ACCOUNT_SERVICE_PATH`, which see to their callers themselves. */
  readonly accountService?: Hono<HttpEnv> | undefined;
  readonly metrics: ServerMetrics;
  /** Why the server cannot do its work at this moment; `undefined` when it can. */
  readonly notReady: () => string | undefined;
  readonly audit: AuditLog;
  readonly log: ServerLog;
  readonly clock: Clock;
  /** Every request is logged, at level info. */
  readonly logRequests: boolean;
  /** The sender of this request has proved who he is. */
  readonly onTrusted?: ((request: HttpEnv["Bindings"]["incoming"]) => void) | undefined;
  /** How long a body may take to arrive. Default 30 s. */
  readonly bodyPatienceMs?: number | undefined;
}

export interface UiOptions {
  /** Routes below `/api/v1`. */
  readonly api: Hono<HttpEnv>;
  /** Files of an interface; without them `page` is shown. */
  readonly directory?: string | undefined;
  /** Shown where there is no interface: plain text in paragraphs. */
  readonly page: () => Promise<readonly string[]>;
  readonly titlePrefix?: string | undefined;
  /** Key of the tokens against forged requests. For this purpose alone. */
  readonly csrfKey: Uint8Array;
  /** False: tokens are not checked. */
  readonly checkCsrf: boolean;
}
