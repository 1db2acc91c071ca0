/**
 * The flags that every command takes, under Kopia's names. What sejf has no use for is accepted where scripts pass it
 * without harm (`inert`) and an error where somebody would count on it (`refused`).
 */
import {
  choice,
  decimal,
  duration,
  type FlagValues,
  flag,
  inert,
  integer,
  optionalFlag,
  refused,
  text,
} from "./flags.ts";

export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export const ESTIMATION_TYPES = ["classic", "rough", "adaptive"] as const;
export const ERROR_NOTIFICATIONS = ["always", "never", "non-interactive"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const DAY_NS = 86_400_000_000_000n;
const NO_CONTENT_LOGS = "sejf keeps no content logs";
const NO_UPDATES = "sejf never looks for updates";
const NO_METRICS =
  "metrics are not pushed, and there are no traces: a server answers for /metrics (server start --metrics-listen-addr)";
const NO_PROFILES = "use Node's own --cpu-prof and --heap-prof";

const CONNECTION_FLAGS = {
  configFile: text("Specify the config file to use", { env: "CONFIG_PATH", placeholder: "FILE" }),
  password: text("Repository password", { short: "p", env: "PASSWORD", placeholder: "PASSWORD" }),
  persistCredentials: flag("Keep the password beside the config file", {
    default: true,
    env: "PERSIST_CREDENTIALS_ON_CONNECT",
  }),
  useKeyring: refused(
    "switch",
    "keeping the password in a keyring; it is kept in a file beside the config file",
    {
      env: "USE_KEYRING",
    },
  ),
  acceptRollback: flag(
    "Of a sealed account: believe a repository that went back, after a restore of the server",
    { hidden: true },
  ),
  upgradeOwnerId: text("Repository format upgrade owner-id", {
    hidden: true,
    env: "REPO_UPGRADE_OWNER_ID",
  }),
  upgradeNoBlock: inert("switch", "sejf never waits for an upgrade to end", {
    env: "REPO_UPGRADE_NO_BLOCK",
  }),
  dangerousCommands: text("Set to `enabled` for commands that can lose data", {
    hidden: true,
    env: "DANGEROUS_COMMANDS",
  }),
};

const NOTIFICATION_FLAGS = {
  errorNotifications: choice(
    "When a failed command is reported to the repository server",
    ERROR_NOTIFICATIONS,
    {
      hidden: true,
      default: "non-interactive",
      env: "SEND_ERROR_NOTIFICATIONS",
      placeholder: "WHEN",
    },
  ),
};

const LOG_FLAGS = {
  logFile: text("Override log file", { placeholder: "FILE" }),
  disableFileLogging: flag("Disable file-based logging"),
  logDir: text("Directory where log files should be written", {
    env: "LOG_DIR",
    placeholder: "DIR",
  }),
  logDirMaxFiles: integer("Maximum number of log files to retain", {
    hidden: true,
    default: 1000,
    env: "LOG_DIR_MAX_FILES",
  }),
  logDirMaxAge: duration("Maximum age of log files to retain", {
    hidden: true,
    default: 30n * DAY_NS,
    env: "LOG_DIR_MAX_AGE",
  }),
  logDirMaxTotalSizeMb: decimal("Maximum total size of log files to retain", {
    hidden: true,
    default: 1000,
    env: "LOG_DIR_MAX_SIZE_MB",
  }),
  logLevel: choice("Console log level", LOG_LEVELS, { default: "info", placeholder: "LEVEL" }),
  fileLogLevel: choice("File log level", LOG_LEVELS, { default: "debug", placeholder: "LEVEL" }),
  jsonLogConsole: flag("Log to the console in JSON", { hidden: true }),
  consoleTimestamps: flag("Log timestamps to stderr", { hidden: true, env: "CONSOLE_TIMESTAMPS" }),
  forceColor: flag("Force color output", { hidden: true, env: "FORCE_COLOR" }),
  disableColor: flag("Disable color output", { hidden: true, env: "DISABLE_COLOR" }),
  jsonLogFile: inert("switch", "log files are always JSON"),
  fileLogLocalTz: refused("switch", "log files carry UTC times only", { env: "FILE_LOG_LOCAL_TZ" }),
  maxLogFileSegmentSize: inert("value", "a log file is one segment", {
    env: "LOG_FILE_MAX_SEGMENT_SIZE",
  }),
  waitForLogSweep: inert("switch", "old logs are removed before the command ends"),
  disableContentLog: inert("switch", NO_CONTENT_LOGS),
  contentLogFile: refused("value", NO_CONTENT_LOGS),
  contentLogDirMaxFiles: inert("value", NO_CONTENT_LOGS, { env: "CONTENT_LOG_DIR_MAX_FILES" }),
  contentLogDirMaxAge: inert("value", NO_CONTENT_LOGS, { env: "CONTENT_LOG_DIR_MAX_AGE" }),
  contentLogDirMaxTotalSizeMb: inert("value", NO_CONTENT_LOGS, {
    env: "CONTENT_LOG_DIR_MAX_SIZE_MB",
  }),
  disableRepositoryLog: inert("switch", "sejf writes no logs into the repository", {
    env: "DISABLE_REPOSITORY_LOG",
  }),
  traceStorage: inert("switch", "calls of the storage are not logged"),
};

const OUTPUT_FLAGS = {
  progress: optionalFlag("Enable progress output (default: on a terminal)"),
  progressUpdateInterval: duration("How often to update progress information", {
    hidden: true,
    default: 300_000_000n,
  }),
  progressEstimationType: choice(
    "How the data to be snapshotted are estimated for progress",
    ESTIMATION_TYPES,
    { hidden: true, default: "classic", placeholder: "TYPE" },
  ),
  adaptiveEstimationThreshold: integer(
    "Files on a volume below which an adaptive estimation walks the tree",
    { hidden: true, default: 300_000 },
  ),
  timezone: text(
    "Format time according to specified time zone (local, utc, original or time zone name)",
    {
      hidden: true,
      default: "local",
    },
  ),
};

/** Flags of Kopia that do nothing here, or cannot be had. */
const OTHER_FLAGS = {
  autoMaintenance: inert("switch", "sejf runs no maintenance by itself"),
  initialUpdateCheckDelay: inert("value", NO_UPDATES, { env: "INITIAL_UPDATE_CHECK_DELAY" }),
  updateCheckInterval: inert("value", NO_UPDATES, { env: "UPDATE_CHECK_INTERVAL" }),
  updateAvailableNotifyInterval: inert("value", NO_UPDATES, { env: "UPDATE_NOTIFY_INTERVAL" }),
  trackReleasable: inert("list", "a check of kopia's own memory"),
  dumpAllocatorStats: inert("switch", "statistics of kopia's own memory", {
    env: "DUMP_ALLOCATOR_STATS",
  }),
  enablePprof: refused("switch", NO_PROFILES),
  metricsListenAddr: refused("value", NO_METRICS),
  metricsPushAddr: refused("value", NO_METRICS, { env: "METRICS_PUSH_ADDR" }),
  metricsPushInterval: inert("value", NO_METRICS),
  metricsPushJob: inert("value", NO_METRICS),
  metricsPushGrouping: inert("list", NO_METRICS),
  metricsPushUsername: inert("value", NO_METRICS),
  metricsPushPassword: inert("value", NO_METRICS),
  metricsPushFormat: inert("value", NO_METRICS),
  metricsStoreOnExit: refused("switch", NO_METRICS),
  otlpTrace: refused("switch", NO_METRICS, { env: "ENABLE_OTLP_TRACE" }),
  diagnosticsOutputDirectory: inert("value", NO_METRICS),
  profileStoreOnExit: refused("switch", NO_PROFILES),
  profileCpu: refused("switch", NO_PROFILES),
  profileGoGcBeforeDump: inert("switch", NO_PROFILES),
  profileBlockingRate: inert("value", NO_PROFILES),
  profileMemoryRate: inert("value", NO_PROFILES),
  profileMutexFraction: inert("value", NO_PROFILES),
};

type AllGlobals = typeof CONNECTION_FLAGS &
  typeof NOTIFICATION_FLAGS &
  typeof LOG_FLAGS &
  typeof OUTPUT_FLAGS &
  typeof OTHER_FLAGS;

export const GLOBAL_FLAGS: AllGlobals = {
  ...CONNECTION_FLAGS,
  ...NOTIFICATION_FLAGS,
  ...LOG_FLAGS,
  ...OUTPUT_FLAGS,
  ...OTHER_FLAGS,
};
export type GlobalValues = FlagValues<AllGlobals>;
