/** The flags of `server start`, Kopia's and our own. Each does something or is refused. Spec: kopia-server 10. */
import { duration, flag, choice, inert, integer, refused, text, texts } from "../flags.ts";

const CONNECTION = "a setting of the connection: change it with `sejf repository set-client`";
const CACHES = "a setting of the connection: change it with `sejf cache set`";
const HOURS_NS = 3_600_000_000_000n;
const SECONDS_NS = 1_000_000_000n;

const LISTEN_FLAGS = {
  address: text("Address to listen on: HOST:PORT (port 0: any free one) or unix:/path", {
    default: "http://127.0.0.1:51515",
    placeholder: "ADDRESS",
  }),
  tlsCertFile: text("TLS certificate PEM", { placeholder: "FILE" }),
  tlsKeyFile: text("TLS key PEM file", { placeholder: "FILE" }),
  tlsGenerateCert: flag(
    "Generate a TLS certificate: into the two files when they are given, else for this run",
  ),
  tlsGenerateCertName: texts(
    "Host name or IP address to generate the TLS certificate for; several times (default 127.0.0.1)",
    { placeholder: "NAME" },
  ),
  tlsGenerateRsaKeySize: integer("TLS RSA key size in bits", { hidden: true, default: 4096 }),
  tlsGenerateCertValidDays: integer("How long the TLS certificate should be valid", {
    hidden: true,
    default: 3650,
  }),
  tlsPrintServerCert: flag("Print the server's certificate", { hidden: true }),
  insecure: flag("Allow insecure configurations (do not use in production)", { hidden: true }),
  withoutPassword: flag("Start the server without a password", { hidden: true }),
  allowExtremelyDangerousUnauthenticatedServerOnTheNetwork: flag(
    "Let everybody in also from other machines (extremely dangerous)",
    { hidden: true },
  ),
  allowedHost: texts(
    "Another name by which browsers and control commands may ask for this server, as behind a proxy; several times",
    { placeholder: "NAME" },
  ),
  metricsListenAddr: text("Expose Prometheus metrics on an address of their own, unprotected", {
    placeholder: "HOST:PORT",
  }),
};

const LOGIN_FLAGS = {
  serverUsername: text("Name of the user of the web interface", {
    env: "SERVER_USERNAME",
    default: "kopia",
    placeholder: "NAME",
  }),
  serverPassword: text("Password of the user of the web interface", {
    env: "SERVER_PASSWORD",
    placeholder: "PASSWORD",
  }),
  randomPassword: flag("Generate a random password and print it to stderr", { hidden: true }),
  serverControlUsername: text("Server control username", {
    env: "SERVER_CONTROL_USER",
    default: "server-control",
    placeholder: "NAME",
  }),
  serverControlPassword: text("Server control password", {
    env: "SERVER_CONTROL_PASSWORD",
    placeholder: "PASSWORD",
  }),
  randomServerControlPassword: flag(
    "Generate a random server control password and print it to stderr",
    { hidden: true },
  ),
  htpasswdFile: text("Path to htpasswd file that contains allowed user@hostname entries", {
    hidden: true,
    placeholder: "FILE",
  }),
  authCookieSigningKey: text("Key of session tokens, where several servers share it", {
    env: "AUTH_COOKIE_SIGNING_KEY",
    hidden: true,
    placeholder: "KEY",
  }),
  disableCsrfTokenChecks: flag("Do not check tokens against forged requests", { hidden: true }),
};

const SERVICE_FLAGS = {
  ui: flag("Serve the web interface and its endpoints", { default: true }),
  html: text("Serve the files of a web interface from this folder", { placeholder: "DIR" }),
  uiTitlePrefix: text("UI title prefix", { env: "UI_TITLE_PREFIX", hidden: true }),
  uiPreferencesFile: text("Path to JSON file storing UI preferences", { placeholder: "FILE" }),
  grpc: flag("Serve the sessions of clients", { default: true }),
  controlApi: flag("Serve the control API", { default: true }),
  contentAccess: choice(
    "Which contents an account may read: those it stored itself, or any whose ID it knows, as with kopia",
    ["holding", "any"],
    { default: "holding", placeholder: "MODE" },
  ),
  readonly: flag("Open the repository read-only"),
  asyncRepoConnect: flag("Listen at once and open the repository in the background", {
    hidden: true,
  }),
  maxConcurrency: integer("Requests of clients worked on at the same time; 0: by processors", {
    default: 0,
  }),
};

const RUN_FLAGS = {
  refreshInterval: duration("Frequency for refreshing repository status", {
    default: 4n * HOURS_NS,
  }),
  trashWindow: text(
    "How long deleted snapshots can be brought back, such as 30d or 12h; 0: not those of managed accounts",
    { default: "30d", placeholder: "TIME" },
  ),
  appendOnlyMinimumAge: text(
    "How long any snapshot of an append-only account stays, such as 30d or 12h",
    { default: "30d", placeholder: "TIME" },
  ),
  appendOnlyMaxSnapshots: integer("Most snapshots of an append-only account; 0: any number", {
    default: 100_000,
  }),
  minMaintenanceInterval: duration("Minimum maintenance interval", {
    hidden: true,
    default: 60n * SECONDS_NS,
  }),
  snapshotSource: texts(
    "A source user@host:/path of somebody else that this server may read from its own disk; several times",
    { hidden: true, placeholder: "SOURCE" },
  ),
  shutdownGracePeriod: duration("How long sessions may go on when the server is stopped", {
    default: 5n * SECONDS_NS,
  }),
  shutdownOnStdin: flag("Shut down the server when stdin has closed", { hidden: true }),
  persistentLogs: flag("Keep the server's log in files", { default: true }),
  logServerRequests: flag("Log requests over HTTP", { hidden: true }),
  logScheduler: flag("Log debugging lines of the schedule", { hidden: true, default: true }),
  kopiauiNotifications: flag("Print notifications to stderr, as lines for KopiaUI", {
    hidden: true,
  }),
};

const REFUSED_FLAGS = {
  cacheDirectory: refused("value", CACHES),
  contentCacheSizeMb: refused("value", CACHES),
  contentCacheSizeLimitMb: refused("value", CACHES),
  contentMinSweepAge: refused("value", CACHES),
  metadataCacheSizeMb: refused("value", CACHES),
  metadataCacheSizeLimitMb: refused("value", CACHES),
  metadataMinSweepAge: refused("value", CACHES),
  indexMinSweepAge: refused("value", CACHES),
  maxListCacheDuration: refused("value", CACHES),
  overrideHostname: refused("value", CONNECTION),
  overrideUsername: refused("value", CONNECTION),
  description: refused("value", CONNECTION),
  enableActions: refused(
    "switch",
    "a setting of the connection: connect again with --enable-actions",
  ),
  permissiveCacheLoading: refused("switch", "a server needs all of its indexes"),
  repositoryFormatCacheDuration: refused("value", CONNECTION),
  disableRepositoryFormatCache: refused("switch", CONNECTION),
  checkForUpdates: inert("switch", "sejf never looks for updates", { env: "CHECK_FOR_UPDATES" }),
};

type StartFlags = typeof LISTEN_FLAGS &
  typeof LOGIN_FLAGS &
  typeof SERVICE_FLAGS &
  typeof RUN_FLAGS &
  typeof REFUSED_FLAGS;

export const START_FLAGS: StartFlags = {
  ...LISTEN_FLAGS,
  ...LOGIN_FLAGS,
  ...SERVICE_FLAGS,
  ...RUN_FLAGS,
  ...REFUSED_FLAGS,
};
