/** The recovery kit: what opens everything when all devices are gone. On paper, away from the computer. Spec: sealed 3. */
import { renderUnicodeCompact } from "uqr";
import type { CryptoEngine } from "../crypto/index.ts";
import { ACCOUNT_KEY_LABEL, type AccountKeys, identityToSeed, printCode } from "../sealed/index.ts";
import { hidden } from "./hidden.ts";
import type { HttpsServer } from "./https-json.ts";

export interface RecoveryKitParts {
  readonly account: string;
  readonly keys: AccountKeys;
  /** Identities that the account had before it was given new keys, the newest first. */
  readonly former: readonly string[];
  readonly server: HttpsServer | undefined;
  /** RFC 3339. */
  readonly made: string;
}

/** Text with a picture of the identity line. */
export function recoveryKitText(
  engine: CryptoEngine,
  { account, keys, former, server, made }: RecoveryKitParts,
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
    ...(former.length === 0
      ? []
      : [
          "# former identities: they open what was stored before the keys were changed",
          ...former,
          "",
        ]),
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
  /** Those that the account had before, the newest first. */
  readonly former: readonly string[];
  readonly account: string | undefined;
  readonly url: string | undefined;
  readonly fingerprint: string | undefined;
} {
  const [line = "", ...former] = text.match(/^AGE-SECRET-KEY-PQ-1\S+$/gim) ?? [];
  for (const one of [line, ...former]) identityToSeed(one);
  const field = (name: string): string | undefined =>
    new RegExp(`^${name} (\\S+)\\s*$`, "im").exec(text)?.[1];
  return hidden(
    {
      identity: line.toUpperCase(),
      former: former.map((one) => one.toUpperCase()),
      account: field("account"),
      url: field("server"),
      fingerprint: field("fingerprint"),
    },
    "recovery kit",
  );
}
