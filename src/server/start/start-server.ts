/**
 * Starts a repository server: opens the repository, listens, and says so in Kopia's start-up lines. Kopia's order is
 * kept, since programs read the lines: passwords, then the repository, then certificate and address. Spec: kopia-server 10.
 */
import { SejfError } from "../../errors/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import { GrpcError, type GrpcMethod, SESSION_PATH } from "../../rpc/index.ts";
import { createLoginGate, openHtpasswd } from "../accounts/index.ts";
import {
  createHttpHandler,
  createMetricsHandler,
  type HttpOptions,
  openAuditFile,
  ServerMetrics,
  withoutRepeats,
} from "../http/index.ts";
import { TaskRegistry } from "../jobs/index.ts";
import { createAccountService } from "../sealed/index.ts";
import { openServerTls, type ServerTls } from "../tls/index.ts";
import type { AuditLog, LoginGate, ServerLog } from "../types.ts";
import { hostNamesOf } from "./host-names.ts";
import { controlActions, uiOptions } from "./http-routes.ts";
import { Listener } from "./listener.ts";
import { tellingNotifications, tellSnapshot } from "./notification-lines.ts";
import {
  formatBound,
  isLocalBound,
  isLocalPlace,
  parsePlace,
  passedSocket,
  type Place,
  refuseNetwork,
} from "./place.ts";
import { RepositorySlot } from "./repository-slot.ts";
import { Server } from "./running-server.ts";
import { type CoreOptions, ServedCore } from "./served-core.ts";
import { openServerLog } from "./server-log.ts";
import { slotAccounts, slotTokens } from "./slot-accounts.ts";
import { tellTrust } from "./trust.ts";
import type {
  ListenSettings,
  OpenServedRepository,
  RunningServer,
  StartServerOptions,
} from "./types.ts";

const USERS_NOTE = `
Server will allow connections from users whose accounts are stored in the repository.
User accounts can be added using 'sejf server user add'.
`;

/**
 * Resolves when the server listens and, unless the repository is opened in the background, serves it.
 * @throws SEJF_INVALID_ARGUMENT for settings that would let strangers in; SEJF_LOCKED when the place is taken; what
 * opening the repository and loading the certificate give.
 */
export async function startServer(options: StartServerOptions): Promise<RunningServer> {
  const place = placeOf(options);
  await using owned = new AsyncDisposableStack();
  // Making a key takes as long as deriving the repository's: both at once.
  const tlsReady = openServerTls(options.listen.tls);
  tlsReady.catch(() => undefined);
  const parts = await openParts(options, owned);
  tellPasswords(options);
  const { slot } = parts;
  const open: OpenServedRepository = async (stop) =>
    await options.openRepository(
      options.signal === undefined ? stop : AbortSignal.any([options.signal, stop]),
    );
  if (options.asyncRepoConnect) slot.openInBackground(open);
  else await slot.open(open);
  const tls = await tlsReady;
  const stopping = new AbortController();
  const listener = openListener(options, parts, tls, () => stopping.abort());
  owned.use(listener);
  await listener.listen(place);
  const { address } = listener;
  if (isRestricted(options.listen) && !isLocalBound(address)) refuseNetwork(formatBound(address));
  const metricsListener = await openMetrics(options, parts, owned);
  const url = urlOf(tls, listener);
  tellAddress(options, tls, url);
  parts.announceTrust();
  parts.audit.record({ action: "server.start", who: "the operator", from: url, result: "ok" });
  const server = new Server({
    ...parts,
    listener,
    metricsListener,
    url,
    tls,
    graceMs: options.graceMs,
  });
  owned.move();
  stopping.signal.addEventListener("abort", () => void server.stop());
  options.signal?.addEventListener("abort", () => void server.stop());
  if (options.signal?.aborted === true || stopping.signal.aborted) await server.stop();
  return server;
}

interface Parts {
  readonly log: ServerLog & AsyncDisposable;
  readonly audit: AuditLog;
  readonly auditFile: AsyncDisposable | undefined;
  readonly tasks: TaskRegistry;
  readonly slot: RepositorySlot;
  readonly loginGate: LoginGate | undefined;
  readonly metrics: ServerMetrics;
  /** Says who can read and delete, when there is a repository and the server listens. */
  readonly announceTrust: () => void;
}

async function openParts(options: StartServerOptions, owned: AsyncDisposableStack): Promise<Parts> {
  const { clock, random, logDirectory, logins } = options;
  const log = owned.use(
    await openServerLog({
      directory: options.persistentLogs ? logDirectory : undefined,
      console: options.console,
      level: "debug",
    }),
  );
  const onProblem = (message: string): void => log.error({}, message);
  const auditFile =
    logDirectory === undefined
      ? undefined
      : owned.use(await openAuditFile({ directory: logDirectory, clock, onProblem }));
  const metrics: ServerMetrics = new ServerMetrics({
    contents: () => slot.core?.repository.contents.statistics(),
    sessions: () => {
      const sessions = slot.core?.sessions;
      return sessions === undefined ? undefined : { ...sessions.totals(), open: sessions.size };
    },
    holdings: () => slot.core?.holdings.statistics(),
  });
  const kept = withoutRepeats(auditFile ?? { record: () => undefined }, clock);
  const audit = metrics.counting(kept);
  const tasks = new TaskRegistry({ clock });
  let isListening = false;
  const tell = (): void => {
    if (isListening && slot.core !== undefined) void tellTrust(slot.core, log);
  };
  const slot: RepositorySlot = new RepositorySlot({
    tasks,
    log,
    graceMs: options.graceMs,
    onAttached: tell,
    openCore: async (repository) =>
      await openCore(repository, options, { log, audit, tasks, loginGate, htpasswd }),
  });
  owned.defer(async () => await slot.close());
  const htpasswd =
    logins.htpasswdFile === undefined ? undefined : await openHtpasswd(logins.htpasswdFile);
  const loginGate = options.listen.withoutPassword
    ? undefined
    : createLoginGate({
        accounts: slotAccounts(slot),
        tokens: slotTokens(slot),
        htpasswd,
        ui: logins.ui,
        control: logins.control,
        clock,
        random,
        audit,
        log,
      });
  const announceTrust = (): void => {
    isListening = true;
    tell();
  };
  return { log, audit, auditFile, tasks, slot, loginGate, metrics, announceTrust };
}

async function openCore(
  repository: DirectRepository,
  options: StartServerOptions,
  parts: Pick<Parts, "log" | "audit" | "tasks" | "loginGate"> & Pick<CoreOptions, "htpasswd">,
): Promise<ServedCore> {
  const { tell, tellNotifications } = options;
  return await ServedCore.open({
    ...options,
    ...parts,
    repository,
    notifications: (inner) => (tellNotifications ? tellingNotifications(inner, tell) : inner),
    onSnapshot: (report) => {
      if (tellNotifications) tellSnapshot(report, tell);
    },
    webUsers: webUsersOf(options),
  });
}

function webUsersOf({ ui, listen, logins }: StartServerOptions): string | undefined {
  if (ui === undefined) return undefined;
  if (listen.withoutPassword) return "everybody who reaches its address (--without-password)";
  const hasLogin = logins.ui.password !== undefined || logins.htpasswdFile !== undefined;
  return hasLogin ? `the user of its web interface (${logins.ui.name})` : undefined;
}

function openListener(
  options: StartServerOptions,
  parts: Parts,
  tls: ServerTls | undefined,
  stop: () => void,
): Listener {
  const { slot, log, audit, loginGate, metrics } = parts;
  const http: HttpOptions = {
    loginGate,
    hostNames: hostNamesOf(options.listen, tls),
    secure: tls !== undefined,
    ui: options.ui === undefined ? undefined : uiOptions(options, options.ui, parts),
    control: options.controlApi ? controlActions(options, parts, stop) : undefined,
    accountService: createAccountService({
      room: () => slot.core?.sealed,
      loginGate,
      log,
      onTrusted: (request) => listener.trust(request),
    }),
    metrics,
    notReady: () => slot.notReady,
    audit,
    log,
    clock: options.clock,
    logRequests: options.logRequests,
    onTrusted: (request) => listener.trust(request),
  };
  const listener: Listener = new Listener({
    tls,
    methods: options.grpc ? { [SESSION_PATH]: sessionMethod(slot) } : {},
    onRequest: createHttpHandler(http),
    onError: (path, error) => log.debug({ path, err: error }, "a call ended with an error"),
  });
  return listener;
}

function sessionMethod(slot: RepositorySlot): GrpcMethod {
  return async (call) => {
    const { core } = slot;
    if (core === undefined)
      throw new GrpcError("UNAVAILABLE", "not connected to a direct repository");
    if (core.sessionMethod === undefined)
      throw new GrpcError("PERMISSION_DENIED", "this server runs without passwords: no accounts");
    await core.sessionMethod(call);
  };
}

/** On an address of its own, without a password and without TLS. */
async function openMetrics(
  { listen }: StartServerOptions,
  { metrics, slot, log }: Parts,
  owned: AsyncDisposableStack,
): Promise<Listener | undefined> {
  if (listen.metricsAddress === undefined) return undefined;
  const listener = new Listener({
    tls: undefined,
    methods: {},
    onRequest: createMetricsHandler({ metrics, notReady: () => slot.notReady }),
    onError: () => undefined,
  });
  owned.use(listener);
  await listener.listen(parsePlace(listen.metricsAddress));
  log.info({}, `metrics are at http://${formatBound(listener.address)}/metrics`);
  return listener;
}

/** @throws SEJF_INVALID_ARGUMENT for what would let strangers in. */
function placeOf({ listen, env, pid }: StartServerOptions): Place {
  const { tls } = listen;
  if (listen.withoutPassword && !listen.insecure)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "--without-password specified without --insecure, refusing to start server",
    );
  const hasTls =
    tls.certFile !== undefined || tls.keyFile !== undefined || tls.generate !== undefined;
  if (!hasTls && !listen.insecure)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "TLS is not configured, and without it passwords and data could be read on the way",
      {
        hint: "give --tls-generate-cert, or --tls-cert-file and --tls-key-file; to start the server without encryption pass --insecure",
      },
    );
  const place = passedSocket(env, pid) ?? parsePlace(listen.address);
  if (isRestricted(listen) && !isLocalPlace(place)) refuseNetwork(listen.address);
  return place;
}

function isRestricted(listen: ListenSettings): boolean {
  return listen.withoutPassword && !listen.allowNetworkWithoutPassword;
}

function tellPasswords({ logins, listen, tell, console }: StartServerOptions): void {
  if (listen.withoutPassword) return;
  if (logins.randomUiPassword) tell(`SERVER PASSWORD: ${logins.ui.password}`);
  if (logins.randomControlPassword) tell(`SERVER CONTROL PASSWORD: ${logins.control.password}`);
  console("info", USERS_NOTE);
}

function urlOf(tls: ServerTls | undefined, { address }: Listener): string {
  const socket = typeof address === "string" ? "unix+" : "";
  return `${socket}${tls === undefined ? "http" : "https"}://${formatBound(address)}`;
}

function tellAddress(options: StartServerOptions, tls: ServerTls | undefined, url: string): void {
  const { tell, console, listen, ui, grpc } = options;
  if (tls?.generated === true) tell(`SERVER CERT SHA256: ${tls.fingerprint}`);
  else if (tls !== undefined) console("info", `Fingerprint of the certificate: ${tls.fingerprint}`);
  if (tls !== undefined && listen.printCertificate)
    tell(`SERVER CERTIFICATE: ${Buffer.from(tls.cert).toString("base64")}`);
  tell(`SERVER ADDRESS: ${url}`);
  if (ui !== undefined)
    console(
      "info",
      webUsersOf(options) === undefined
        ? "Nobody can use the UI: it has a user with --server-password or --random-password."
        : "Open the address above in a web browser to use the UI.",
    );
  if (tls === undefined) {
    if (grpc)
      console("warn", "without TLS no client can connect: only the web endpoints are served");
    if (listen.withoutPassword)
      console("warn", "anybody who reaches this address controls the server and its repository");
  }
}
