/** A device of a sealed account over a server that lies, and what the operator does with the repository itself. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compareTrees } from "../../scripts/compare-trees.ts";
import type { ContentRef } from "../../src/format/index.ts";
import type { RemoteRepository } from "../../src/rpc/index.ts";
import {
  type DeviceState,
  openSealed,
  type OpenedBelow,
  type SealedRepository,
} from "../../src/sealing/index.ts";
import { createSnapshot, listSnapshots, restoreTree } from "../../src/snapshot/index.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { withLies } from "../../src/testkit/sealed-groups.ts";
import { SEALED_PASSWORD, type SealedServer } from "../../src/testkit/sealed-server.ts";

export const ALICE = "alice@laptop";
export const MARKER = "PLAINTEXT-MARKER-OF-THE-TEST";

/** Shorter than any cut, longer than what groups do not share. */
export function oneChunk(seed: number): Uint8Array<ArrayBuffer> {
  return new SeededRandom(seed).bytes(100_000);
}

/** Too short to be shared. */
export function smallChunk(): Uint8Array<ArrayBuffer> {
  return new SeededRandom(8).bytes(1000);
}

/** Names with "secret" in them, the marker, and three files of one content each. */
export function makeTree(root: string): string {
  mkdirSync(join(root, "secret-folder"), { recursive: true });
  writeFileSync(join(root, "secret-name.txt"), `${MARKER}\n`.repeat(100));
  writeFileSync(join(root, "secret-folder", "small.bin"), smallChunk());
  writeFileSync(join(root, "secret-folder", "one.bin"), oneChunk(1));
  writeFileSync(join(root, "secret-folder", "two.bin"), oneChunk(2));
  return root;
}

export interface Deceit {
  /** Whom to connect as below; else as the device. */
  readonly password?: string;
  readonly lies?: (honest: RemoteRepository) => Partial<RemoteRepository>;
  readonly contentSecret?: (honest: Uint8Array) => Uint8Array;
  readonly isRollbackAccepted?: boolean;
}

/** As a program opens it. The lies are told behind what the client checks of a server's answers in any mode. */
export async function openDeceived(
  server: SealedServer,
  device: DeviceState,
  mode: "write" | "full",
  { password, lies, contentSecret, isRollbackAccepted }: Deceit = {},
): Promise<SealedRepository> {
  const { account } = device.secrets;
  const { repository } = await openSealed({
    configFile: join(server.home, `${account}-${device.secrets.device.id}.config`),
    device,
    mode,
    server: server.https,
    openBelow: async (token): Promise<OpenedBelow> => {
      const honest = await server.below(account, password ?? token ?? "none");
      const secret = contentSecret?.(honest.contentSecret) ?? honest.contentSecret;
      return { repository: withLies(honest, lies?.(honest) ?? {}), contentSecret: secret };
    },
    askPassword: async () => await Promise.resolve(SEALED_PASSWORD),
    ...(isRollbackAccepted === true ? { acceptRollback: async () => await Promise.resolve() } : {}),
    tools: server.tools,
  });
  return repository;
}

/** Contents of which some are read as other bytes. */
export function readingOther(
  honest: RemoteRepository,
  other: (ref: ContentRef, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
): Partial<RemoteRepository> {
  const { contents } = honest;
  const read: typeof contents.read = async (ref, options) =>
    other(ref, await contents.read(ref, options));
  return { contents: withLies(contents, { read }) };
}

export function sourceOf(device: DeviceState, path: string): SourceOf {
  const [username = "", hostname = ""] = device.secrets.account.split("@");
  return { username, hostname, path };
}

interface SourceOf {
  readonly username: string;
  readonly hostname: string;
  readonly path: string;
}

export async function backUp(
  server: SealedServer,
  device: DeviceState,
  tree: string,
  deceit: Deceit = {},
  forceHashPercent = 0,
): Promise<void> {
  await using sealed = await openDeceived(server, device, "write", deceit);
  await createSnapshot(sealed, sourceOf(device, tree), { forceHashPercent });
  await sealed.flush();
}

let restored = 0;

/** The newest snapshot of the tree, restored and compared. */
export async function restore(
  server: SealedServer,
  device: DeviceState,
  tree: string,
  deceit: Deceit = {},
): Promise<void> {
  await using sealed = await openDeceived(server, device, "full", deceit);
  const snapshot = (await listSnapshots(sealed, { source: sourceOf(device, tree) })).at(-1);
  assert.ok(snapshot?.rootEntry !== undefined);
  const target = join(server.home, `restored-${restored++}`);
  mkdirSync(target);
  await restoreTree(sealed, snapshot.rootEntry, target);
  assert.deepEqual(compareTrees(tree, target).differences, []);
}

/** All that the repository's password opens: every content and every manifest. */
export async function everythingStored(server: SealedServer): Promise<string> {
  return await server.operator(async ({ contents, manifests }) => {
    const parts: string[] = [];
    for await (const page of contents.list({ prefix: "" }))
      for (const { ref } of page)
        parts.push(Buffer.from(await contents.read(ref)).toString("latin1"));
    for (const { id, labels } of await manifests.find({}))
      parts.push(JSON.stringify(labels), (await manifests.get(id)).text);
    return parts.join("\n");
  });
}
