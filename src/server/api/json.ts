/** Sources, snapshots and policies in the words of Kopia's interface. Members that are empty are left out as there. */
import { formatTimestamp } from "../../bytes/index.ts";
import {
  encodePolicy,
  EMPTY_POLICY,
  type Policy,
  type SchedulingPolicy,
  type SnapshotManifest,
  snapshotToJson,
} from "../../snapshot/index.ts";
import { rfc3339 } from "../jobs/texts.ts";
import type { SourceStatus } from "../jobs/types.ts";
import { toJsonSource } from "./request.ts";

type Json = Record<string, unknown>;

export function sourceStatusJson(status: SourceStatus): Json {
  const { source, state, scheduling, lastSnapshot, nextSnapshotMs, upload, currentTask } = status;
  return {
    source: toJsonSource(source),
    status: state,
    schedule: schedulingJson(scheduling),
    ...(lastSnapshot === undefined ? {} : { lastSnapshot: snapshotToJson(lastSnapshot) }),
    ...(nextSnapshotMs === undefined ? {} : { nextSnapshotTime: rfc3339(nextSnapshotMs) }),
    ...(upload === undefined ? {} : { upload }),
    ...(currentTask === undefined ? {} : { currentTask }),
  };
}

function schedulingJson(scheduling: SchedulingPolicy): unknown {
  return encodePolicy({ ...EMPTY_POLICY, scheduling: { ...scheduling } })["scheduling"];
}

export interface SnapshotRow {
  readonly id: string;
  readonly description: string;
  readonly startTime: string;
  readonly endTime: string;
  readonly incomplete?: string | undefined;
  readonly summary: unknown;
  readonly rootID: string;
  readonly retention: readonly string[];
  readonly pins: readonly string[];
}

/** A line of the list of snapshots. */
export function snapshotRow(snapshot: SnapshotManifest, retention: readonly string[]): SnapshotRow {
  const { id, description, startTimeNs, endTimeNs, incomplete, rootEntry, pins } = snapshot;
  const root = snapshotToJson(snapshot)["rootEntry"] as Json | null;
  return {
    id,
    description,
    startTime: formatTimestamp(startTimeNs),
    endTime: formatTimestamp(endTimeNs),
    ...(incomplete === undefined ? {} : { incomplete }),
    summary: root?.["summ"] ?? null,
    rootID: rootEntry?.object ?? "",
    retention,
    pins,
  };
}

export function policyJson(policy: Policy): Json {
  return encodePolicy(policy);
}
