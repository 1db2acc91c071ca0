/** The sessions of clients: the server's side of Kopia's protocol, with rights, holding and bounds. */
export type {
  CheckedManifest,
  ManifestRules,
  NewManifest,
  NotificationRequest,
  Notifications,
  SessionCounters,
  SessionLimits,
  SessionMethodOptions,
  SessionRegistry,
  SessionStatus,
  SharedFlush,
} from "./types.ts";
