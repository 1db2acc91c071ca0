/** What is printed of values with secrets in them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { bytesToBase64Url, bytesToHex, systemClock } from "../bytes/index.ts";
import { nodeCryptoEngine as engine } from "../node/index.ts";
import { SeededRandom } from "../testkit/random.ts";
import { AccountClient } from "./account-client.ts";
import { type DocumentStore } from "./documents.ts";
import { enrollInRepository } from "./enroll.ts";
import { parseRecoveryKit, recoveryKitText } from "./recovery-kit.ts";
import { unlockAccount } from "./unlock.ts";

const PASSWORD = "a password of the test";

test("inspect: neither of a device, nor of an opened account, its keys, kit or client is a secret printed", async () => {
  const random = new SeededRandom(5);
  // oxlint-disable-next-line require-await
  const argon2id = async (): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(32);
  const tools = { engine, argon2id, random, clock: systemClock };
  const stored = new Map<string, string>();
  const documents: DocumentStore = {
    // oxlint-disable-next-line require-await
    load: async (name) => stored.get(name),
    // oxlint-disable-next-line require-await
    save: async (name, text) => void stored.set(name, text),
  };
  const account = "alice@laptop";
  const repository = { id: "", hash: "BLAKE3-256", secretSha256: "0".repeat(64) };
  const how = { account, password: PASSWORD, escrow: [], name: "laptop", rememberKey: true };
  const { keys, device } = await enrollInRepository(tools, documents, repository, how);
  const unlocked = await unlockAccount(
    {
      ...tools,
      account,
      accountKey: keys.accountKey,
      server: undefined,
      opaqueKey: undefined,
      documents,
      keyringVersion: 0,
    },
    PASSWORD,
  );
  const made = "2026-01-01T00:00:00Z";
  const kit = parseRecoveryKit(
    recoveryKitText(engine, { account, keys, former: [], server: undefined, made }),
  );
  const client = new AccountClient({ url: "https://localhost", fingerprint: undefined }, "token-1");
  const printed = [
    device,
    { ...device },
    device.secrets,
    { ...device.secrets },
    unlocked,
    keys,
    kit,
    client,
  ]
    .map((value) => inspect(value, { depth: 9, showHidden: true }))
    .join("\n");
  const secrets = [
    keys.privateSecret,
    keys.accountKey,
    keys.signingSeed,
    device.secrets.device.seed,
  ];
  for (const secret of secrets) {
    assert.equal(printed.includes(bytesToHex(secret)), false);
    assert.equal(printed.includes(bytesToBase64Url(secret)), false);
    assert.equal(printed.includes([...secret.subarray(0, 6)].join(", ")), false);
  }
  for (const text of [keys.identity, PASSWORD, "token-1"])
    assert.equal(printed.includes(text), false);
});
