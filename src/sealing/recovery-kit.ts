/** The recovery kit: what opens everything when all devices are gone. On paper, away from the computer. Spec: sealed 3. */
import { renderUnicodeCompact } from "uqr";
import { bytesToHex, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { ACCOUNT_KEY_LABEL, type AccountKeys, identityToSeed, printCode } from "../sealed/index.ts";
import type { HttpsServer } from "./https-json.ts";

export interface RecoveryKitParts {
  readonly account: string;
  readonly keys: AccountKeys;
  readonly server: HttpsServer | undefined;
  /** RFC 3339. */
  readonly made: string;
}

/** Text with a picture of the identity line. */
export function recoveryKitText(
  engine: CryptoEngine,
  { account, keys, server, made }: RecoveryKitParts,
): string {
  return [
    `sejf recovery kit of ${account}, made ${made}`,
    "",
    "Whoever has this page and the stored data can read every backup of this account. Print it or copy it by hand,",
    "keep it away from the computer, and delete the file.",
    "",
    "# identity (also works with the program age)",
    keys.identity,
    "",
    renderUnicodeCompact(keys.identity),
    "",
    "# account key: what a further device asks for beside the password",
    printCode(engine, ACCOUNT_KEY_LABEL, keys.accountKey),
    "",
    "# where the data is",
    server === undefined ? "a repository without a sejf server" : `server ${server.url}`,
    ...(server?.fingerprint === undefined ? [] : [`fingerprint ${server.fingerprint}`]),
    `account ${account}`,
    "",
    "To get everything back: sejf recover --recovery-kit FILE",
    "",
  ].join("\n");
}

/** What a kit says; text that people typed again will do. @throws SEJF_INVALID_ARGUMENT without an identity line. */
export function parseRecoveryKit(text: string): {
  readonly identity: string;
  readonly account: string | undefined;
  readonly url: string | undefined;
  readonly fingerprint: string | undefined;
} {
  const line = /^AGE-SECRET-KEY-PQ-1\S+$/im.exec(text)?.[0] ?? "";
  identityToSeed(line);
  const field = (name: string): string | undefined =>
    new RegExp(`^${name} (\\S+)\\s*$`, "im").exec(text)?.[1];
  return {
    identity: line.toUpperCase(),
    account: field("account"),
    url: field("server"),
    fingerprint: field("fingerprint"),
  };
}

/** What people compare before they let a recipient read everything: 128 bits of SHA-256 in groups of four. */
export function recipientFingerprint(engine: CryptoEngine, recipient: string): string {
  const hex = bytesToHex(engine.sha256(utf8ToBytes(recipient))).slice(0, 32);
  return (hex.match(/.{4}/g) as string[]).join("-");
}
