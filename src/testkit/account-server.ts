/**
 * A repository server for tests of sessions: a real repository in a folder, the real method of sessions, and simple
 * stand-ins for what lets callers in and says what they may do.
 */
import { X509Certificate } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { bytesToHex, bytesToUtf8, type Clock, type Random, systemClock } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import type { ContentId, CreateFormatOptions } from "../format/index.ts";
import type { Labels } from "../manifest/index.ts";
import {
  connectRepository,
  createRepository,
  type DirectRepository,
  openRepository,
  populateRepository,
} from "../repository/index.ts";
import {
  certificateFingerprint,
  connectGrpc,
  type GrpcConnection,
  openSession,
  parseServerAddress,
  RpcServer,
  type RpcServerOptions,
  SESSION_PATH,
  type SessionClient,
} from "../rpc/index.ts";
import type { Holdings } from "../server/holding/types.ts";
import { createNotifications } from "../server/sessions/notifications.ts";
import type { SessionMethodOptions } from "../server/sessions/method-options.ts";
import { createSessionRegistry, type Sessions } from "../server/sessions/registry.ts";
import { createSessionMethod } from "../server/sessions/session-method.ts";
import { createSharedFlush } from "../server/sessions/shared-flush.ts";
import type { AccessLevel, AccessRights, Account, LoginGate } from "../server/types.ts";
import { applyRetention } from "../snapshot/index.ts";
import { openStorage } from "../storage/index.ts";
import { accountOf } from "./held-repository.ts";
import { KeptAudit, KeptLog } from "./server-log.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temp.ts";
import { SELF_SIGNED } from "./tls.ts";

export const SERVER_PASSWORD = "repository-pw";

/** `user@host` with this password, until a test changes it. */
export interface TestAccount {
  account: Account;
  password: string;
}

/** Creates a repository in a new folder below `home`; gives its connection file. */
export async function createServedRepository(
  home: string,
  format: CreateFormatOptions = {},
  random?: Random,
): Promise<string> {
  const path = join(home, "repo");
  await mkdir(path);
  const configFile = join(home, "server.config");
  const info = { type: "filesystem", config: { path } };
  {
    await using storage = await openStorage(info);
    await createRepository(storage, { password: SERVER_PASSWORD, format, random });
    await connectRepository(storage, {
      configFile,
      password: SERVER_PASSWORD,
      client: { username: "server", hostname: "nas" },
      caching: { maxCacheSize: 0 },
    });
  }
  await using repository = await openRepository({ configFile, password: SERVER_PASSWORD });
  await populateRepository(repository);
  await repository.flush();
  return configFile;
}

export interface AccountServerOptions {
  readonly format?: CreateFormatOptions | undefined;
  /** For the repository's secrets. */
  readonly random?: Random | undefined;
  readonly accounts?: readonly string[] | undefined;
  readonly clock?: Clock | undefined;
  readonly method?: Partial<SessionMethodOptions> | undefined;
  readonly rpc?: Partial<RpcServerOptions> | undefined;
  /** A connection file of a repository that is there already. */
  readonly configFile?: string | undefined;
}

export class AccountServer implements AsyncDisposable {
  readonly repository: DirectRepository;
  readonly accounts = new Map<string, TestAccount>();
  readonly log: KeptLog = new KeptLog();
  readonly audit: KeptAudit = new KeptAudit();
  readonly registry: Sessions = createSessionRegistry({ lingerMs: 50 });
  readonly sent = new Map<string, Set<string>>();
  readonly configFile: string;
  readonly fingerprint: string = certificateFingerprint(new X509Certificate(SELF_SIGNED.cert));
  contentLevel: AccessLevel = "FULL";
  mode: Holdings["mode"] = "holding";
  readonly rpc: RpcServer;
  readonly #home: TemporaryDirectory | undefined;
  #port = 0;

  private constructor(
    repository: DirectRepository,
    configFile: string,
    home: TemporaryDirectory | undefined,
    options: AccountServerOptions,
  ) {
    this.repository = repository;
    this.configFile = configFile;
    this.#home = home;
    for (const name of options.accounts ?? ["alice@laptop", "bob@desk"])
      this.accounts.set(name, { account: accountOf(name), password: `${name}-pw` });
    const method = createSessionMethod({
      repository,
      loginGate: this.#gate(),
      accessRules: {
        // oxlint-disable-next-line require-await
        rightsOf: async (account) => this.#rights(account),
        refresh: () => {},
      },
      manifestRules: {
        checkNew: ({ labels, json }) => ({ labels, data: JSON.parse(bytesToUtf8(json)) }),
        exactPolicyLabels,
      },
      holdings: this.#holdings(),
      retention: {
        apply: async (account, path, { reallyDelete, manifests }) => {
          const { username, hostname } = account;
          const view = manifests === undefined ? repository : { ...viewOf(repository), manifests };
          const source = { username, hostname, path };
          const expired = await applyRetention(view, source, { dryRun: !reallyDelete });
          return expired.map(({ id }) => id);
        },
        // oxlint-disable-next-line require-await
        run: async () => ({ expired: [] }),
      },
      notifications: createNotifications({ manifests: repository.manifests, log: this.log }),
      registry: this.registry,
      flush: createSharedFlush(repository),
      audit: this.audit,
      log: this.log,
      clock: options.clock ?? systemClock,
      ...options.method,
    });
    this.rpc = new RpcServer({
      ...SELF_SIGNED,
      methods: { [SESSION_PATH]: method },
      ...options.rpc,
    });
  }

  static async start(options: AccountServerOptions = {}): Promise<AccountServer> {
    const home = options.configFile === undefined ? await temporaryDirectory("served") : undefined;
    const configFile =
      options.configFile ??
      (await createServedRepository(home?.path ?? "", options.format, options.random));
    const { clock } = options;
    const open = { configFile, password: SERVER_PASSWORD, clock, threads: 0 };
    const repository = await openRepository(open);
    const server = new AccountServer(repository, configFile, home, options);
    server.#port = await server.rpc.listen(0, "127.0.0.1");
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  async connect(): Promise<GrpcConnection> {
    return await connectGrpc(parseServerAddress(this.url), { fingerprint: this.fingerprint });
  }

  /** A session of the account, with its password. */
  async session(
    connection: GrpcConnection,
    name = "alice@laptop",
    options: {
      readonly readOnly?: boolean;
      readonly password?: string;
      readonly hashesContents?: boolean;
    } = {},
  ): Promise<SessionClient> {
    const { username, hostname } = accountOf(name);
    const password = options.password ?? this.accounts.get(name)?.password ?? "none";
    const credentials = { username, hostname, password };
    return await openSession(connection, { credentials, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rpc.close();
    await this.repository[Symbol.asyncDispose]();
    await this.#home?.[Symbol.asyncDispose]();
  }

  /* The real ones wait for the repository. */
  /* oxlint-disable require-await */
  #gate(): LoginGate {
    return {
      login: async ({ name, password }) => {
        const found = this.accounts.get(name);
        if (found?.password !== password)
          throw new SejfError("SEJF_ACCESS_DENIED", "wrong name or password");
        return {
          principal: { role: "account", account: found.account },
          renew: async () => {
            const now = this.accounts.get(name);
            if (now?.password !== password) return undefined;
            return { role: "account", account: now.account };
          },
        };
      },
    };
  }

  #holdings(): Holdings {
    const ofAccount = (account: Account): Set<string> => {
      const sent = this.sent.get(account.name) ?? new Set<string>();
      this.sent.set(account.name, sent);
      return sent;
    };
    const mode = (): Holdings["mode"] => this.mode;
    return {
      get mode() {
        return mode();
      },
      holds: async (account, id) => mode() === "any" || ofAccount(account).has(id),
      noteSent: (account, id) => void ofAccount(account).add(id),
      usedBytes: async () => 0,
      noteBatch: (account, { hashes, hashBytes }) => {
        for (let at = 0; at < hashes.length; at += hashBytes)
          ofAccount(account).add(bytesToHex(hashes.subarray(at, at + hashBytes)));
      },
      arriving: () => ({ add: () => {}, retry: () => {} }),
      acceptSnapshot: async (account, json) => {
        const root = (json as { rootEntry?: { obj?: string } }).rootEntry?.obj ?? "";
        const info = await this.repository.contents.info(root as ContentId);
        if (info === undefined || (mode() === "holding" && !ofAccount(account).has(root)))
          throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${root} is not there`);
      },
      forget: () => {},
      refresh: () => {},
      statistics: () => ({ accounts: 0, contents: 0, memoryBytes: 0 }),
    };
  }
  /* oxlint-enable require-await */

  #rights(account: Account): AccessRights {
    const { username, hostname } = account;
    return {
      content: this.contentLevel,
      manifest: (labels) => {
        const { type } = labels;
        if (type === "policy" && labels["policyType"] === "global") return "READ";
        const isOwn = labels["username"] === username && labels["hostname"] === hostname;
        return isOwn && (type === "snapshot" || type === "policy") ? "FULL" : "NONE";
      },
    };
  }
}

function viewOf(repository: DirectRepository): {
  readonly contents: DirectRepository["contents"];
  readonly [Symbol.asyncDispose]: () => Promise<void>;
} & Pick<
  DirectRepository,
  "parameters" | "identity" | "clock" | "readOnly" | "description" | "flush" | "refresh"
> {
  const { contents, parameters, identity, clock, readOnly, description } = repository;
  return {
    contents,
    parameters,
    identity,
    clock,
    readOnly,
    description,
    flush: async () => {},
    refresh: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Which labels a policy has beside its type, by its `policyType`. */
const POLICY_LABELS: Readonly<Record<string, readonly string[]>> = {
  global: [],
  host: ["hostname"],
  user: ["hostname", "username"],
  path: ["hostname", "path", "username"],
};

function exactPolicyLabels(labels: Labels): boolean {
  const expected = POLICY_LABELS[labels["policyType"] ?? ""];
  const found = Object.keys(labels)
    .filter((name) => name !== "type" && name !== "policyType")
    .toSorted();
  return expected !== undefined && found.join() === expected.join();
}
