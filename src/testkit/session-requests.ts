/** What tests of sessions ask for again and again, as alice@laptop. */
import { utf8ToBytes } from "../bytes/index.ts";
import type { SessionClient } from "../rpc/index.ts";

const ALICE = { username: "alice", hostname: "laptop" };
export const SNAPSHOT: Readonly<Record<string, string>> = {
  type: "snapshot",
  ...ALICE,
  path: "/data",
};

export async function write(
  session: SessionClient,
  data: Uint8Array,
  prefix = "",
): Promise<string> {
  const answer = await session.request("writeContent", { prefix, data, compression: 0 });
  return answer.contentId;
}

export async function putSnapshot(session: SessionClient, root: string): Promise<string> {
  const json = { source: { userName: "alice", host: "laptop", path: "/data" } };
  const jsonData = utf8ToBytes(JSON.stringify({ ...json, rootEntry: { obj: root } }));
  return (await session.request("putManifest", { labels: SNAPSHOT, jsonData })).manifestId;
}

export async function snapshotsOf(session: SessionClient): Promise<readonly string[]> {
  const found = await session.findManifests({ labels: { type: "snapshot" }, pageSize: 1000 });
  return found.map(({ id }) => id);
}
