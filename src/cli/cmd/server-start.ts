/** `server start`: runs a repository server until it is told to stop. Reference: kopia cli/command_server_start.go. */
import { dirname, isAbsolute, join, resolve } from "node:path";
import { statSync } from "node:fs";
import { bytesToHex } from "../../bytes/index.ts";
import { defaultIdentity, logDirectory } from "../../repository/index.ts";
import type { RunningServer, StartServerOptions } from "../../server/index.ts";
import { formatSource, parseSource, type SnapshotSource } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import type { FlagValues } from "../flags.ts";
import { parseLifeMs } from "../output/life.ts";
import { START_FLAGS } from "../shared/server-start-flags.ts";
import { usageError } from "../usage-error.ts";

type Values = FlagValues<typeof START_FLAGS>;

const PASSWORD_BYTES = 32;
const DEFAULT_CERT_NAME = "127.0.0.1";
const MIN_REFRESH_MS = 1000;

export const command: Command = defineCommand({
  summary: "Start a repository server",
  description:
    "Serves the connected repository to clients, whose accounts are made with `sejf server user add`. Clients need TLS: give --tls-generate-cert, or --tls-cert-file and --tls-key-file. SIGINT and SIGTERM stop the server after sessions had their time to flush, SIGHUP makes it read the repository anew. docs/server.md explains the rest.",
  flags: START_FLAGS,
  async run(context, flags) {
    const { boundHeapGrowth, giveMemoryBack } = await import("../../node/index.ts");
    const { startServer } = await import("../../server/index.ts");
    giveMemoryBack();
    // A password that has to be asked for is asked for now, not in the background.
    await context.password();
    await using server = await startServer(startOptions(context, flags));
    boundHeapGrowth();
    using _hangup = refreshOnHangup(context, server);
    if (flags.shutdownOnStdin) stopOnClosedInput(context, server);
    await server.stopped;
    return 0;
  },
});

function startOptions(context: CommandContext, flags: Values): StartServerOptions {
  const { configFile, env, clock, random, signal, globals } = context;
  return {
    openRepository: async (stop) =>
      await context.openServedRepository({ readOnly: flags.readonly, signal: stop }),
    asyncRepoConnect: flags.asyncRepoConnect,
    configFile,
    env,
    pid: process.pid,
    listen: listenSettings(context, flags),
    logins: loginSettings(context, flags),
    grpc: flags.grpc,
    controlApi: flags.controlApi,
    ui: flags.ui ? uiSettings(context, flags) : undefined,
    jobs: {
      refreshIntervalMs: refreshInterval(flags),
      minMaintenanceIntervalMs: milliseconds(
        flags.minMaintenanceInterval,
        "--min-maintenance-interval",
      ),
      logScheduler: flags.logScheduler,
      trashWindowMs:
        flags.trashWindow === "0" ? 0 : parseLifeMs("--trash-window", flags.trashWindow),
      appendOnlyMinimumAgeMs: parseLifeMs("--append-only-minimum-age", flags.appendOnlyMinimumAge),
      appendOnlyMaxSnapshots: atLeastZero(
        flags.appendOnlyMaxSnapshots,
        "--append-only-max-snapshots",
      ),
      sources: flags.snapshotSource.map(foreignSource),
    },
    contentAccess: flags.contentAccess,
    maxConcurrency: atLeastZero(flags.maxConcurrency, "--max-concurrency"),
    graceMs: milliseconds(flags.shutdownGracePeriod, "--shutdown-grace-period"),
    logRequests: flags.logServerRequests,
    logDirectory: globals.disableFileLogging
      ? undefined
      : join(globals.logDir ?? logDirectory(env), "server-logs"),
    persistentLogs: flags.persistentLogs,
    console: (level, message) =>
      context.log.consoleOnly(level === "warn" ? "warning" : level, message),
    tell: (line) => void process.stderr.write(`${line}\n`),
    tellNotifications: flags.kopiauiNotifications,
    commandPrefix: `${process.argv[1] ?? "sejf"} --config-file=${configFile}`,
    clock,
    random,
    signal,
  };
}

function listenSettings(
  { clock, random }: CommandContext,
  flags: Values,
): StartServerOptions["listen"] {
  const names = flags.tlsGenerateCertName;
  return {
    address: flags.address,
    tls: {
      certFile: flags.tlsCertFile,
      keyFile: flags.tlsKeyFile,
      generate: flags.tlsGenerateCert
        ? {
            names: names.length > 0 ? names : [DEFAULT_CERT_NAME],
            validDays: flags.tlsGenerateCertValidDays,
            rsaKeySizeBits: flags.tlsGenerateRsaKeySize,
            nowMs: clock.nowMs(),
            random,
          }
        : undefined,
    },
    printCertificate: flags.tlsPrintServerCert,
    insecure: flags.insecure,
    withoutPassword: flags.withoutPassword,
    allowNetworkWithoutPassword: flags.allowExtremelyDangerousUnauthenticatedServerOnTheNetwork,
    hostNames: flags.allowedHost,
    metricsAddress: flags.metricsListenAddr,
  };
}

/** A password that is given counts more than a random one, as with Kopia. */
function loginSettings({ random }: CommandContext, flags: Values): StartServerOptions["logins"] {
  const given = (password: string | undefined): string | undefined =>
    password === "" ? undefined : password;
  const randomPassword = (): string => bytesToHex(random.bytes(PASSWORD_BYTES));
  const ui = given(flags.serverPassword);
  const control = given(flags.serverControlPassword);
  const randomUiPassword = ui === undefined && flags.randomPassword;
  const randomControlPassword = control === undefined && flags.randomServerControlPassword;
  return {
    ui: { name: flags.serverUsername, password: randomUiPassword ? randomPassword() : ui },
    control: {
      name: flags.serverControlUsername,
      password: randomControlPassword ? randomPassword() : control,
    },
    htpasswdFile: flags.htpasswdFile,
    randomUiPassword,
    randomControlPassword,
  };
}

function uiSettings({ configFile }: CommandContext, flags: Values): StartServerOptions["ui"] {
  const html = flags.html === undefined ? undefined : resolve(flags.html);
  if (html !== undefined && statSync(html, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw usageError(`--html: there is no folder ${html}`);
  return {
    html,
    titlePrefix: flags.uiTitlePrefix,
    preferencesFile: flags.uiPreferencesFile ?? join(dirname(configFile), "ui-preferences.json"),
    signingKey: flags.authCookieSigningKey,
    checkCsrf: !flags.disableCsrfTokenChecks,
  };
}

function refreshOnHangup(context: CommandContext, server: RunningServer): Disposable {
  const refresh = (): void => {
    server
      .refresh()
      .then(() => context.log.info("Refreshed."))
      .catch((error: unknown) => context.log.warn(`refreshing failed: ${String(error)}`));
  };
  process.on("SIGHUP", refresh);
  return {
    [Symbol.dispose](): void {
      process.off("SIGHUP", refresh);
    },
  };
}

function stopOnClosedInput(context: CommandContext, server: RunningServer): void {
  context.log.info("Server will close when stdin is closed...");
  process.stdin.once("end", () => void server.stop());
  process.stdin.once("error", () => void server.stop());
  process.stdin.resume();
}

/** Refreshing without a pause would do nothing else. */
function refreshInterval({ refreshInterval: durationNs }: Values): number {
  const intervalMs = milliseconds(durationNs, "--refresh-interval");
  if (intervalMs >= MIN_REFRESH_MS) return intervalMs;
  throw usageError("--refresh-interval is shorter than a second");
}

/** All of it is to be said: what is left out would be filled in with names that the connection may not have. */
function foreignSource(text: string): SnapshotSource {
  const source = parseSource(text, defaultIdentity());
  if (formatSource(source) === text && isAbsolute(source.path)) return source;
  throw usageError(`--snapshot-source: ${JSON.stringify(text)} is not like user@host:/path`);
}

function milliseconds(durationNs: bigint, name: string): number {
  return atLeastZero(Number(durationNs) / 1e6, name);
}

function atLeastZero(value: number, name: string): number {
  if (value >= 0) return value;
  throw usageError(`${name} is negative, expected 0 or more`);
}
