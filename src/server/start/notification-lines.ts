/**
 * Notifications as lines that KopiaUI reads from standard error: `NOTIFICATION: {json}`. The texts are made from what
 * the client says; they go to the operator who started the server, nowhere else. Spec: kopia-server 10.
 */
import { bytesToUtf8, goJson } from "../../bytes/index.ts";
import type { SnapshotReport } from "../jobs/index.ts";
import { oneLineMessage } from "../jobs/texts.ts";
import type { NotificationRequest, Notifications } from "../sessions/index.ts";

const SEVERITY_ERROR = 20;
const SEVERITY_REPORT = 0;
const MAX_TEXT = 2000;

/** Takes what `inner` takes, and tells it too. */
export function tellingNotifications(
  inner: Notifications,
  tell: (line: string) => void,
): Notifications {
  return {
    async accept(request, options): Promise<void> {
      await inner.accept(request, options);
      tell(line(subjectOf(request), request.severity, bodyOf(request)));
    },
  };
}

/** A snapshot of the server's own. */
export function tellSnapshot(report: SnapshotReport, tell: (line: string) => void): void {
  const { source, error } = report;
  const name = `${source.username}@${source.hostname}:${source.path}`;
  if (error === undefined)
    tell(line(`Successfully created a snapshot of ${name}`, SEVERITY_REPORT));
  else tell(line(`Failed to create a snapshot of ${name}`, SEVERITY_ERROR, oneLineMessage(error)));
}

function line(subject: string, severity: number, body = ""): string {
  return `NOTIFICATION: ${goJson({ subject, severity, body: body.slice(0, MAX_TEXT) })}`;
}

function subjectOf({ templateName, account }: NotificationRequest): string {
  if (templateName === "generic-error") return `Error of ${account.name}`;
  if (templateName === "snapshot-report") return `Snapshots of ${account.name}`;
  return `Notification of ${account.name}`;
}

function bodyOf({ eventArgs }: NotificationRequest): string {
  return eventArgs.byteLength === 0 ? "" : bytesToUtf8(eventArgs);
}
