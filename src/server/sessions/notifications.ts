/**
 * What clients want others to be told: taken in, checked, and dropped. This server sends nothing yet.
 *
 * SECURITY: the arguments hold paths, error texts and stack traces of the client. None of that reaches the log.
 */
import { bytesToUtf8, type CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestStore } from "../../manifest/index.ts";
import type { ServerLog } from "../types.ts";
import type { NotificationRequest, Notifications } from "./types.ts";

/** Kopia's templates. */
const TEMPLATES: ReadonlySet<string> = new Set([
  "generic-error",
  "snapshot-report",
  "test-notification",
]);
/** Unknown, empty, an error, snapshots' states. */
const ARGUMENT_TYPES = [0, 1, 2, 3];
const MAX_ARGUMENT_BYTES = 1 << 20;
const SEVERITY = { lowest: -100, highest: 100 };

export interface NotificationsOptions {
  readonly manifests: ManifestStore;
  readonly log: ServerLog;
}

export function createNotifications({ manifests, log }: NotificationsOptions): Notifications {
  return {
    async accept(request: NotificationRequest, options: CallOptions = {}): Promise<void> {
      checkRequest(request);
      const profiles = await manifests.find({ type: "notificationProfile" }, options);
      if (profiles.length === 0) return;
      log.warn(
        {
          account: request.account.name,
          template: request.templateName,
          severity: request.severity,
          profiles: profiles.length,
        },
        "a notification was not sent: this server cannot send notifications yet",
      );
    },
  };
}

/** @throws SEJF_INVALID_ARGUMENT. */
function checkRequest(request: NotificationRequest): void {
  const { templateName, eventArgs, severity, eventArgsType } = request;
  if (!TEMPLATES.has(templateName))
    throw invalid(`there is no template ${JSON.stringify(templateName.slice(0, 80))}`);
  if (!ARGUMENT_TYPES.includes(eventArgsType))
    throw invalid(`${eventArgsType} is no type of arguments`);
  if (severity < SEVERITY.lowest || severity > SEVERITY.highest)
    throw invalid(`the severity is ${severity}`);
  if (eventArgs.byteLength > MAX_ARGUMENT_BYTES)
    throw invalid(`arguments of ${eventArgs.byteLength} bytes, at most ${MAX_ARGUMENT_BYTES}`);
  if (eventArgs.byteLength === 0) return;
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytesToUtf8(eventArgs));
  } catch {
    throw invalid("the arguments are not JSON");
  }
  if (typeof parsed !== "object" || Array.isArray(parsed))
    throw invalid("the arguments are not a JSON object");
}

function invalid(message: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", `notification: ${message}`);
}
