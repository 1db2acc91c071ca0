/** An HTTP side of the server for tests, over TLS on 127.0.0.1, with a gate of fixed passwords; and a client for it. */
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectHttp2 } from "node:http2";
import { Hono } from "hono";
import { systemClock } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { RpcServer, type RpcServerOptions } from "../rpc/index.ts";
import {
  createHttpHandler,
  csrfKey,
  type HttpEnv,
  type HttpOptions,
  ServerMetrics,
} from "../server/http/index.ts";
import type {
  AccountName,
  AuditEvent,
  LoginGate,
  LoginRequest,
  Principal,
} from "../server/index.ts";
import { SELF_SIGNED } from "./tls.ts";

export const UI_LOGIN = { name: "kopia", password: "ui-pw" };
export const CONTROL_LOGIN = { name: "server-control", password: "control-pw" };
export const ACCOUNT_LOGIN = { name: "alice@laptop", password: "alice-pw" };

const PRINCIPALS: Readonly<Record<string, Principal>> = {
  [`${UI_LOGIN.name}:${UI_LOGIN.password}`]: { role: "ui", name: UI_LOGIN.name },
  [`${CONTROL_LOGIN.name}:${CONTROL_LOGIN.password}`]: {
    role: "control",
    name: CONTROL_LOGIN.name,
  },
  [`${ACCOUNT_LOGIN.name}:${ACCOUNT_LOGIN.password}`]: {
    role: "account",
    account: {
      name: "alice@laptop" as AccountName,
      username: "alice",
      hostname: "laptop",
      appendOnly: false,
      encryption: "server",
      quotaBytes: undefined,
    },
  },
};

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface HttpCall {
  readonly method?: string | undefined;
  readonly login?: { readonly name: string; readonly password: string } | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
}

/** One server; `events` is its audit log, `calls` what reached the interface's routes, `done` what control did. */
export class HttpHost implements AsyncDisposable {
  readonly events: AuditEvent[] = [];
  readonly calls: string[] = [];
  readonly done: string[] = [];
  notReady: string | undefined;
  readonly #server: RpcServer;
  #port = 0;

  private constructor(
    options: Partial<HttpOptions>,
    patience: RpcServerOptions["patience"],
    withoutPassword: boolean,
  ) {
    const audit = {
      record: (event: AuditEvent): void => {
        this.events.push(event);
      },
    };
    const quiet = (): void => {};
    this.#server = new RpcServer({
      ...SELF_SIGNED,
      methods: {},
      patience,
      onRequest: createHttpHandler({
        loginGate: withoutPassword ? undefined : this.#gate(),
        hostNames: ["backup.example.com"],
        secure: true,
        ui: {
          api: this.#api(),
          page: async () => await Promise.resolve(["served: <nothing>"]),
          csrfKey: csrfKey(undefined),
          checkCsrf: true,
        },
        control: this.#control(),
        metrics: new ServerMetrics({
          contents: () => undefined,
          sessions: () => undefined,
          holdings: () => undefined,
        }),
        notReady: () => this.notReady,
        audit,
        log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
        clock: systemClock,
        logRequests: false,
        ...options,
      }),
    });
  }

  static async start(
    options: Partial<HttpOptions> = {},
    more: {
      readonly patience?: RpcServerOptions["patience"];
      readonly withoutPassword?: boolean;
    } = {},
  ): Promise<HttpHost> {
    const host = new HttpHost(options, more.patience, more.withoutPassword ?? false);
    host.#port = await host.#server.listen(0, "127.0.0.1");
    return host;
  }

  get port(): number {
    return this.#port;
  }

  /** One request over HTTP/1.1. */
  async call(path: string, call: HttpCall = {}): Promise<HttpAnswer> {
    return await httpsCall({ port: this.#port, host: "127.0.0.1" }, path, call);
  }

  /** One request over HTTP/2. */
  async call2(path: string, call: HttpCall = {}): Promise<HttpAnswer> {
    const session = connectHttp2(`https://127.0.0.1:${this.#port}`, { rejectUnauthorized: false });
    try {
      const stream = session.request({
        ":path": path,
        ":method": call.method ?? "GET",
        ...authorization(call.login),
        ...call.headers,
      });
      const headers = new Promise<Record<string, string | string[] | undefined>>(
        (resolve, reject) => {
          stream.once("response", resolve);
          stream.once("error", reject);
        },
      );
      stream.end(call.body);
      const { ":status": status, ...rest } = await headers;
      const parts: Buffer[] = [];
      for await (const part of stream) parts.push(part as Buffer);
      return { status: Number(status), headers: rest, text: Buffer.concat(parts).toString() };
    } finally {
      session.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }

  #gate(): LoginGate {
    return {
      login: async ({ name, password }: LoginRequest) => {
        const principal = await Promise.resolve(PRINCIPALS[`${name}:${password}`]);
        if (principal === undefined) throw new SejfError("SEJF_ACCESS_DENIED", "access denied");
        return { principal, renew: async () => await Promise.resolve(principal) };
      },
    };
  }

  #api(): Hono<HttpEnv> {
    const app = new Hono<HttpEnv>();
    app.all("*", async (context) => {
      const body = await context.req.text();
      this.calls.push(`${context.req.method} ${context.req.path} ${body.length}`);
      return context.json({ who: context.get("principal").role });
    });
    return app;
  }

  #control(): HttpOptions["control"] {
    const did = (what: string): void => {
      this.done.push(what);
    };
    return {
      status: async () => await Promise.resolve({ connected: true }),
      shutdown: () => did("shutdown"),
      connected: () => ({
        sources: async () => await Promise.resolve({ sources: [] }),
        flush: async () => await Promise.resolve(did("flush")),
        refresh: async () => await Promise.resolve(did("refresh")),
        act: (action, { path }) => {
          did(`${action} ${path ?? "all"}`);
          return new Map(path === "/none" ? [] : [["alice@laptop:/a", { success: true }]]);
        },
        throttle: () => ({}),
        setThrottle: (json) => did(JSON.stringify(json)),
      }),
    };
  }
}

/** One request over HTTP/1.1 and TLS; the certificate is not looked at. */
export async function httpsCall(
  place: Pick<RequestOptions, "host" | "port" | "socketPath">,
  path: string,
  call: HttpCall = {},
): Promise<HttpAnswer> {
  return await new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        ...place,
        path,
        method: call.method ?? "GET",
        headers: { ...authorization(call.login), ...call.headers },
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.once("error", reject);
        response.once("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    request.once("error", reject);
    request.end(call.body);
  });
}

function authorization(login: HttpCall["login"]): Readonly<Record<string, string>> {
  if (login === undefined) return {};
  const encoded = Buffer.from(`${login.name}:${login.password}`).toString("base64");
  return { authorization: `Basic ${encoded}` };
}
