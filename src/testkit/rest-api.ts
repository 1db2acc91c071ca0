/** The endpoints of the web interface on a real repository in a temporary folder, called without a network. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Hono } from "hono";
import { systemClock } from "../bytes/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import {
  connectRepository,
  createRepository,
  type DirectRepository,
  openRepository,
  populateRepository,
} from "../repository/index.ts";
import type { HttpEnv } from "../server/http/types.ts";
import { createApi } from "../server/api/create-api.ts";
import type { ApiOptions, RepositorySwitch } from "../server/api/types.ts";
import { openJobs } from "../server/jobs/open-jobs.ts";
import { TaskRegistry } from "../server/jobs/task-registry.ts";
import type { ServerJobs } from "../server/jobs/types.ts";
import { openStorage } from "../storage/index.ts";
import { quickEngine } from "./quick-engine.ts";
import { KeptAudit, KeptLog } from "./server-log.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temp.ts";

export const REST_PASSWORD = "rest-pw";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** `undefined` when it is not JSON. */
  readonly json: unknown;
  readonly bytes: Uint8Array;
}

export interface RestApiOptions {
  /** A repository that is there already, with this password. */
  readonly existing?: { readonly path: string; readonly password: string } | undefined;
  readonly accounts?: ReadonlySet<string> | undefined;
  /** Begins without a repository, and lets callers attach one. */
  readonly detached?: boolean | undefined;
  readonly options?: Partial<ApiOptions> | undefined;
}

export class RestApi implements AsyncDisposable {
  readonly folder: TemporaryDirectory;
  readonly tasks: TaskRegistry = new TaskRegistry({ clock: systemClock });
  readonly log: KeptLog = new KeptLog();
  readonly audit: KeptAudit = new KeptAudit();
  readonly #accounts: ReadonlySet<string>;
  readonly #app: Hono<HttpEnv> = new Hono<HttpEnv>();
  #served: { readonly repository: DirectRepository; readonly jobs: ServerJobs } | undefined;

  constructor(folder: TemporaryDirectory, options: RestApiOptions) {
    this.folder = folder;
    this.#accounts = options.accounts ?? new Set();
    const change: RepositorySwitch = {
      attach: (repository) => this.attach(repository),
      detach: () => this.detach(),
    };
    const api = createApi({
      served: () => {
        const served = this.#served;
        return served && { ...served, throttle: served.repository.connection.throttle };
      },
      tasks: this.tasks,
      ...(options.detached === true ? { switch: change } : {}),
      configFile: this.configFile,
      env: this.env,
      uiPreferencesFile: join(folder.path, "ui-preferences.json"),
      commandPrefix: "sejf",
      log: this.log,
      audit: this.audit,
      clock: systemClock,
      ...options.options,
    });
    this.#app.use(async (context, next) => {
      context.set("principal", { role: "ui", name: "kopia" });
      context.set("from", "127.0.0.1:5");
      await next();
    });
    this.#app.route("/api/v1", api);
  }

  get configFile(): string {
    return join(this.folder.path, "repository.config");
  }

  get env(): Readonly<Record<string, string>> {
    return { HOME: this.folder.path };
  }

  get repository(): DirectRepository {
    if (this.#served === undefined) throw new Error("nothing is served");
    return this.#served.repository;
  }

  get jobs(): ServerJobs {
    if (this.#served === undefined) throw new Error("nothing is served");
    return this.#served.jobs;
  }

  async attach(repository: DirectRepository): Promise<void> {
    const { tasks, log, audit } = this;
    const isAccount = (name: string): Promise<boolean> => Promise.resolve(this.#accounts.has(name));
    this.#served = {
      repository,
      jobs: await openJobs({ repository, tasks, log, audit, isAccount }),
    };
  }

  async detach(): Promise<void> {
    const served = this.#served;
    this.#served = undefined;
    await served?.jobs[Symbol.asyncDispose]();
    await served?.repository[Symbol.asyncDispose]();
  }

  /** `path` below `/api/v1/`. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const init = { method, headers, ...(body === undefined ? {} : { body: text }) };
    const response = await this.#app.request(`/api/v1/${path}`, init);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, json: parsed(bytes), bytes };
  }

  /** The JSON of a call that succeeds. */
  async ok<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, json, bytes } = await this.call(method, path, body);
    if (status !== 200)
      throw new Error(`${method} ${path}: ${status} ${new TextDecoder().decode(bytes)}`);
    return json as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
    await this.folder[Symbol.asyncDispose]();
  }
}

export async function openRestApi(options: RestApiOptions = {}): Promise<RestApi> {
  const folder = await temporaryDirectory("rest");
  const api = new RestApi(folder, options);
  try {
    if (options.detached !== true) await api.attach(await openedRepository(api, options));
    return api;
  } catch (error) {
    await api[Symbol.asyncDispose]();
    throw error;
  }
}

async function openedRepository(
  { configFile, env, folder }: RestApi,
  { existing }: RestApiOptions,
): Promise<DirectRepository> {
  const path = existing?.path ?? join(folder.path, "repository");
  const password = existing?.password ?? REST_PASSWORD;
  const engine = existing === undefined ? quickEngine : nodeCryptoEngine;
  const isNew = existing === undefined;
  if (isNew) await mkdir(path);
  await using storage = await openStorage(
    { type: "filesystem", config: { path } },
    { create: isNew },
  );
  if (isNew) await createRepository(storage, { password, engine });
  const client = { username: "kopia", hostname: "nas" };
  const caching = { maxCacheSize: 0 };
  await connectRepository(storage, { configFile, password, engine, env, client, caching });
  const opening = { configFile, password, env, engine, threads: 0, adjustableLimits: true };
  const repository = await openRepository(opening);
  if (isNew) {
    await populateRepository(repository);
    await repository.flush();
  }
  return repository;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
