/** Parts that tests of the server need: logs that remember, accounts by name, an engine whose password keys are cheap. */
import type { CryptoEngine } from "../crypto/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import type { Account, AccountName, AuditEvent, AuditLog, ServerLog } from "../server/index.ts";

export class MemoryAudit implements AuditLog {
  readonly events: AuditEvent[] = [];

  record(event: AuditEvent): void {
    this.events.push(event);
  }
}

export class MemoryLog implements ServerLog {
  readonly lines: string[] = [];

  debug(_fields: object, message: string): void {
    this.lines.push(`debug ${message}`);
  }

  info(_fields: object, message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(_fields: object, message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(_fields: object, message: string): void {
    this.lines.push(`error ${message}`);
  }
}

/** Managed, may delete, no quota, unless told otherwise. */
export function testAccount(name: string, settings: Partial<Account> = {}): Account {
  const [username = "", hostname = ""] = name.split("@");
  return {
    name: name as AccountName,
    username,
    hostname,
    appendOnly: false,
    encryption: "server",
    quotaBytes: undefined,
    ...settings,
  };
}

/** Derives password keys by one HMAC, and counts them. `onDerive` may delay one. */
export class CheapPasswords {
  derived = 0;
  running = 0;
  mostAtOnce = 0;
  onDerive: (() => Promise<void>) | undefined;

  get engine(): CryptoEngine {
    const derive = async (
      password: Uint8Array,
      salt: Uint8Array,
    ): Promise<Uint8Array<ArrayBuffer>> => {
      this.derived++;
      this.running++;
      this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
      await this.onDerive?.();
      this.running--;
      return nodeCryptoEngine.hmacSha256(salt, password);
    };
    return { ...nodeCryptoEngine, scrypt: derive, pbkdf2Sha256: derive };
  }
}
