/** Sealed accounts for tests, made without a server: the secrets of a device and what opens the account. */
import { bytesToBase64Url, bytesToHex, utf8ToBytes } from "../bytes/index.ts";
import { nodeCryptoEngine as engine } from "../node/index.ts";
import type { DirectRepository } from "../repository/index.ts";
import { certifyDevice, deriveAccountKeys } from "../sealed/index.ts";
import {
  type DeviceGroup,
  type DeviceSecrets,
  HeadMemory,
  type LastSnapshot,
  SealedRepository,
  SnapshotDocuments,
} from "../sealing/index.ts";
import { signingPublicKey } from "../sealed/signed.ts";
import { SeededRandom } from "./random.ts";

export interface TestSealedAccount {
  readonly secrets: DeviceSecrets;
  readonly identity: string;
  readonly signingSeed: Uint8Array<ArrayBuffer>;
  readonly heads: HeadMemory;
  readonly last: Map<string, LastSnapshot>;
  policyVersion: number;
  /** How often the account was opened. */
  opened: number;
}

/** Another seed for each name and number. */
export async function sealedAccount(
  account: string,
  options: { readonly group?: DeviceGroup; readonly device?: number } = {},
): Promise<TestSealedAccount> {
  const { device = 1, group } = options;
  const keys = await deriveAccountKeys(engine, engine.sha256(utf8ToBytes(account)));
  const seed = engine.sha256(utf8ToBytes(`${account} device ${device}`));
  const id = bytesToHex(seed.subarray(0, 8));
  return {
    secrets: {
      account,
      recipient: keys.recipient,
      escrow: [],
      accountKey: keys.accountKey,
      privateSecret: keys.privateSecret,
      accountSigningKey: keys.signingPublicKey,
      device: {
        id,
        name: `device ${device}`,
        seed,
        certificate: certifyDevice(keys.signingSeed, { id, key: signingPublicKey(seed) }),
      },
      keyringVersion: 1,
      group,
    },
    identity: keys.identity,
    signingSeed: keys.signingSeed,
    heads: new HeadMemory(),
    last: new Map(),
    policyVersion: 0,
    opened: 0,
  };
}

/** The account's repository over this one; several may be opened one after the other, as processes are. */
export function sealOver(inner: DirectRepository, account: TestSealedAccount): SealedRepository {
  const { format } = inner.access;
  return new SealedRepository({
    inner,
    engine,
    hash: { idHash: engine.contentHash(format.hash, format.secret), secret: format.secret },
    random: new SeededRandom(11),
    secrets: account.secrets,
    opener: {
      // oxlint-disable-next-line require-await
      identity: async (): Promise<string> => {
        account.opened++;
        return account.identity;
      },
      // oxlint-disable-next-line require-await
      signingSeed: async (): Promise<Uint8Array<ArrayBuffer>> => {
        account.opened++;
        return account.signingSeed;
      },
    },
    documents: new SnapshotDocuments({
      contents: inner.contents,
      manifests: inner.manifests,
      flush: async (options) => await inner.flush(options),
      clock: inner.clock,
      account: account.secrets.account,
    }),
    heads: account.heads,
    last: account.last,
    policyVersion: account.policyVersion,
    // oxlint-disable-next-line require-await
    onChange: async ({ policyVersion }): Promise<void> => {
      if (policyVersion !== undefined) account.policyVersion = policyVersion;
    },
  });
}

/** A group of one document, for accounts that share it. */
export function sharedGroup(secret: Uint8Array<ArrayBuffer>, minSize = 32_768): DeviceGroup {
  return {
    id: bytesToHex(secret.subarray(0, 16)),
    epoch: 1,
    sha256: bytesToHex(engine.sha256(secret)),
    admins: [],
    secret,
    params: {
      splitter: "DYNAMIC-4M-BUZHASH",
      compression: "zstd-fastest",
      compressionVersion: bytesToBase64Url(utf8ToBytes("test")),
      minSize,
      probe: "group",
    },
  };
}
