/** A repository behind the server of the tests, with threads and without pauses. */
import { nodeCompressionEngine, nodeCryptoEngine } from "../node/index.ts";
import {
  openRemoteRepository,
  type OpenRemoteOptions,
  type RemoteRepository,
} from "../rpc/index.ts";
import { TEST_CREDENTIALS, type TestSessionServer } from "./session-server.ts";

/** All but the server. */
export const TEST_REMOTE_OPTIONS: Omit<OpenRemoteOptions, "url"> = {
  identity: { username: TEST_CREDENTIALS.username, hostname: TEST_CREDENTIALS.hostname },
  password: TEST_CREDENTIALS.password,
  engine: nodeCryptoEngine,
  compression: nodeCompressionEngine,
  threads: 2,
  sleep: () => Promise.resolve(),
};

export async function openTestRepository(
  { url, fingerprint }: Pick<TestSessionServer, "url" | "fingerprint">,
  options: Partial<OpenRemoteOptions> = {},
): Promise<RemoteRepository> {
  return await openRemoteRepository({ ...TEST_REMOTE_OPTIONS, url, fingerprint, ...options });
}
