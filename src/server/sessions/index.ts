/** The sessions of clients: the server's side of Kopia's protocol, with rights, holding and bounds. */
export type { SessionMethodOptions } from "./method-options.ts";
export { createNotifications, type NotificationsOptions } from "./notifications.ts";
export { createSessionRegistry, type Sessions } from "./registry.ts";
export { createSessionMethod } from "./session-method.ts";
export { createSharedFlush } from "./shared-flush.ts";
export type {
  CheckedManifest,
  ManifestRules,
  NewManifest,
  NotificationRequest,
  Notifications,
  SessionCounters,
  SessionLimits,
  SessionRegistry,
  SessionStatus,
} from "./types.ts";
