/** What a server is started with, and what it is while it runs. */
import type { Clock, Random } from "../../bytes/index.ts";
import type { DirectRepository, Environment } from "../../repository/index.ts";
import type { SnapshotSource } from "../../snapshot/index.ts";
import type { ServerLogin } from "../accounts/index.ts";
import type { HoldingMode } from "../holding/index.ts";
import type { ServerTlsOptions } from "../tls/index.ts";
import type { ConsoleLine } from "./server-log.ts";

/** How to open the repository. Its own waiting (for a password) happens before. */
export type OpenServedRepository = (signal: AbortSignal) => Promise<DirectRepository>;

export interface ListenSettings {
  /** `host:port` or `unix:/path`, with or without a scheme. A socket that the service manager passed takes its place. */
  readonly address: string;
  readonly tls: ServerTlsOptions;
  /** Writes the certificate itself to the start-up lines. */
  readonly printCertificate: boolean;
  /** May do without TLS. */
  readonly insecure: boolean;
  /** Lets everybody in; only with `insecure`, only on this machine. */
  readonly withoutPassword: boolean;
  /** … or anywhere. */
  readonly allowNetworkWithoutPassword: boolean;
  /** Names that requests may ask for, beside those of the certificate and of this machine. */
  readonly hostNames: readonly string[];
  /** `host:port` where the metrics are, and nothing else, without a password. */
  readonly metricsAddress?: string | undefined;
}

export interface LoginSettings {
  readonly ui: ServerLogin;
  readonly control: ServerLogin;
  readonly htpasswdFile?: string | undefined;
  /** Passwords that were made for this run: told at the start. */
  readonly randomUiPassword: boolean;
  readonly randomControlPassword: boolean;
}

export interface UiSettings {
  /** Folder with the files of an interface. */
  readonly html?: string | undefined;
  readonly titlePrefix?: string | undefined;
  readonly preferencesFile: string;
  /** That several servers share. */
  readonly signingKey?: string | undefined;
  readonly checkCsrf: boolean;
}

export interface JobSettings {
  readonly refreshIntervalMs: number;
  readonly minMaintenanceIntervalMs: number;
  /** Debugging lines of the schedule. */
  readonly logScheduler: boolean;
  /** How long deleted snapshots stay in the trash; 0: those of managed accounts do not. Default 30 days. */
  readonly trashWindowMs?: number | undefined;
  /** How long any snapshot of an append-only account stays. Default 30 days. */
  readonly appendOnlyMinimumAgeMs?: number | undefined;
  /** Most snapshots of an append-only account; 0: any number. Default 100,000. */
  readonly appendOnlyMaxSnapshots?: number | undefined;
  /** Sources that the server reads from its own disk for others. */
  readonly sources: readonly SnapshotSource[];
}

export interface StartServerOptions {
  readonly openRepository: OpenServedRepository;
  /** Listens at once and goes on trying to open the repository. */
  readonly asyncRepoConnect: boolean;
  readonly configFile: string;
  readonly env: Environment;
  readonly pid: number;
  readonly listen: ListenSettings;
  readonly logins: LoginSettings;
  /** False: clients' sessions are not served. */
  readonly grpc: boolean;
  readonly controlApi: boolean;
  /** Absent: neither the interface nor its endpoints. */
  readonly ui?: UiSettings | undefined;
  readonly jobs: JobSettings;
  readonly contentAccess: HoldingMode;
  /** 0: by the number of processors. */
  readonly maxConcurrency: number;
  /** How long sessions may go on when the server is stopped. */
  readonly graceMs: number;
  readonly logRequests: boolean;
  /** For the log and the audit log; absent: there are none. */
  readonly logDirectory?: string | undefined;
  readonly persistentLogs: boolean;
  readonly console: ConsoleLine;
  /** The start-up lines, which programs read: one a call, without its newline. */
  readonly tell: (line: string) => void;
  /** Also tells notifications in such lines. */
  readonly tellNotifications: boolean;
  /** Command line up to a command's name, to be copied by users. */
  readonly commandPrefix: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Stops the start, and the server. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunningServer extends AsyncDisposable {
  /** `https://127.0.0.1:51515`, `unix+https:///run/sejf.sock`. */
  readonly url: string;
  /** SHA-256 of the certificate; absent without TLS. */
  readonly fingerprint: string | undefined;
  /** Who can read the accounts' data and who can delete them: one sentence each. */
  trust(): Promise<readonly string[]>;
  /** Reads the repository, accounts and sources anew. */
  refresh(): Promise<void>;
  /** Resolves when the server has stopped, for whatever reason. @throws why it could not be stopped in order. */
  readonly stopped: Promise<void>;
  /** Takes nothing new, lets sessions flush for the grace period, then ends. Calls share one stop. */
  stop(): Promise<void>;
}
