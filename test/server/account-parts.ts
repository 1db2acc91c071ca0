/** What the tests of accounts beside a real kopia have in common. */
import { join } from "node:path";
import { systemClock } from "../../src/bytes/index.ts";
import { nodeCompressionEngine, nodeCryptoEngine, nodeRandom } from "../../src/node/index.ts";
import { type DirectRepository, openRepository } from "../../src/repository/index.ts";
import { openRemoteRepository, type RemoteRepository } from "../../src/rpc/index.ts";
import { openAccounts } from "../../src/server/accounts/account-book.ts";
import { createLoginGate } from "../../src/server/accounts/login-gate.ts";
import type { LoginGate } from "../../src/server/index.ts";
import type { KopiaServer } from "../../src/testkit/kopia-server.ts";
import { MemoryAudit, MemoryLog } from "../../src/testkit/server-parts.ts";
import { openSources, type SourcesClient } from "../cli/support.ts";

/** Our client on a kopia server, as `user@host`. */
export async function connectAs(
  server: KopiaServer,
  name: string,
  password: string,
): Promise<RemoteRepository> {
  const [username = "", hostname = ""] = name.split("@");
  return await openRemoteRepository({
    url: server.url,
    fingerprint: server.fingerprint,
    identity: { username, hostname },
    password,
    engine: nodeCryptoEngine,
    compression: nodeCompressionEngine,
  });
}

/** The server reads accounts and entries again. */
export async function refreshServer({ kopia, url, fingerprint }: KopiaServer): Promise<void> {
  await kopia.ok([
    "server",
    "refresh",
    `--address=${url}`,
    `--server-cert-fingerprint=${fingerprint}`,
    "--server-control-password=control-pw",
  ]);
}

/** Our program, connected to the repository of a kopia. */
export async function sejfOn(path: string): Promise<SourcesClient> {
  const sejf = await openSources();
  await sejf.ok(["repository", "connect", "filesystem", `--path=${path}`]);
  return sejf;
}

/** The repository itself, opened by us with the connection that a program has made. */
export async function openDirectly(configFile: string): Promise<DirectRepository> {
  return await openRepository({ configFile, password: "fixture-password" });
}

export function repositoryPath({ kopia }: KopiaServer): string {
  return join(kopia.home.path, "repo");
}

/** Our gate on the repository's accounts; the control user has another password than any account. */
export function gateOn({ manifests }: DirectRepository): LoginGate {
  const base = { clock: systemClock, random: nodeRandom };
  return createLoginGate({
    ...base,
    accounts: openAccounts({ ...base, manifests }),
    ui: { name: "ui", password: "ui-pw" },
    control: { name: "server-control", password: "control-pw" },
    audit: new MemoryAudit(),
    log: new MemoryLog(),
  });
}
