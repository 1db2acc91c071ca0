/**
 * A browser and a script of control commands log in with every request. Written down each time, they would push what
 * matters out of the audit log: so a success is written once for a while. Failures, and sessions of clients, always are.
 */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../bytes/index.ts";
import type { AuditEvent, AuditLog } from "../types.ts";

const ONCE_MS = 10 * 60_000;
const MAX_REMEMBERED = 10_000;

/** The same log without successful HTTP logins of one user from one address that follow one another. */
export function withoutRepeats(audit: AuditLog, clock: Clock): AuditLog {
  const writtenMs = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  return {
    record: (event: AuditEvent): void => {
      if (event.action === "login" && event.result === "ok" && event.target === "http") {
        const key = JSON.stringify([event.who, event.from]);
        const before = writtenMs.get(key);
        const now = clock.nowMs();
        if (before !== undefined && Math.abs(now - before) < ONCE_MS) return;
        writtenMs.set(key, now);
      }
      audit.record(event);
    },
  };
}
