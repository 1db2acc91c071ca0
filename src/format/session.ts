/**
 * Sessions: from the first pack of a writer to its next index flush. A marker blob tells garbage collection that the
 * session lives, though no index names its packs yet. Spec: kopia-format 5.7.
 */
import type { BlobId } from "../blob/index.ts";
import {
  bytesToHex,
  type Clock,
  formatTimestamp,
  type OwnedBytes,
  type Random,
  type TimestampNs,
} from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { encodeJson, JsonObject } from "./json-members.ts";

/** `s0e9099296a9b76fa147`: `s`, 16 hex digits, and the months since 2000 in hex. */
export type SessionId = string & { readonly __brand: "SessionId" };

export interface SessionMarker {
  readonly id: SessionId;
  readonly startTime: TimestampNs;
  /** When the writer was last known to live. */
  readonly checkpointTime: TimestampNs;
  readonly username: string;
  readonly hostname: string;
}

const RANDOM_BYTES = 8;
const FIRST_MONTH_MS: number = Date.UTC(2000, 0, 1);
const MONTH_MS: number = 30 * 86_400_000;
const PATTERN = /^s[0-9a-f]{17,}$/;

/** Fresh, unique with the help of the month. */
export function newSessionId(clock: Clock, random: Random): SessionId {
  const months = Math.max(0, Math.floor((clock.nowMs() - FIRST_MONTH_MS) / MONTH_MS));
  return `s${bytesToHex(random.bytes(RANDOM_BYTES))}${months.toString(16)}` as SessionId;
}

/** Fresh `s` and 16 hex digits: names the set of a compaction, which is no session. */
export function newCompactionSetId(random: Random): string {
  return `s${bytesToHex(random.bytes(RANDOM_BYTES))}`;
}

export function isSessionId(text: string): text is SessionId {
  return PATTERN.test(text);
}

/**
 * The session in a blob's name: the first part behind a dash that begins with `s`, as Kopia finds it. It may be no
 * ID that `newSessionId` would make.
 */
export function sessionOfBlob(id: BlobId): SessionId | undefined {
  return id
    .split("-")
    .slice(1)
    .find((part) => part.startsWith("s")) as SessionId | undefined;
}

/** The plaintext of a marker, for `encryptBlob` with the prefix `s` and the session as suffix. */
export function encodeSessionMarker(marker: SessionMarker): OwnedBytes {
  return encodeJson({
    id: marker.id,
    startTime: formatTimestamp(marker.startTime),
    checkpointTime: formatTimestamp(marker.checkpointTime),
    username: marker.username,
    hostname: marker.hostname,
  });
}

/** @throws SEJF_CORRUPT. */
export function decodeSessionMarker(bytes: Uint8Array): SessionMarker {
  const json = JsonObject.decode(bytes, "session marker");
  const id = json.string("id");
  if (!id.startsWith("s"))
    throw new SejfError(
      "SEJF_CORRUPT",
      `session marker has the ID ${JSON.stringify(id.slice(0, 80))}`,
    );
  return {
    id: id as SessionId,
    startTime: json.time("startTime"),
    checkpointTime: json.time("checkpointTime"),
    username: json.string("username"),
    hostname: json.string("hostname"),
  };
}
