/**
 * Kopia's `--htpasswd-file`: names and password hashes in a file of the operator's. bcrypt and SHA-crypt count; what a
 * graphics card tries by the billion does not, and says so. SECURITY: the file is trusted, as whoever can write it runs
 * the server; the names in it are roles only where the gate was told so.
 */
import { readFile } from "node:fs/promises";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { ServerLog } from "../types.ts";
import { htpasswdMatches } from "./htpasswd-check.ts";

export interface HtpasswdFile {
  /** The stored text of this name; `undefined`: it is not in the file. */
  hashOf(name: string): string | undefined;
  /** Off the main thread. */
  matches(password: string, hash: string): Promise<boolean>;
  /** Reads the file again. Lines that do not count are logged and let nobody in; a file that cannot be read changes nothing. */
  refresh(log: ServerLog): Promise<void>;
}

interface Parsed {
  readonly hashes: ReadonlyMap<string, string>;
  /** One sentence for each line that does not count. */
  readonly refused: readonly string[];
}

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const SHA_CRYPT = /^\$[56]\$(?:rounds=(\d{1,9})\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43,86}$/;
/** A check takes about half a minute of a core beyond; also a bound against a mistyped line. */
const MAX_BCRYPT_COST = 15;
const MIN_BCRYPT_COST = 4;
const MAX_SHA_ROUNDS = 1_000_000;
const MAX_FILE_CHARACTERS = 1 << 20;

/** @throws SEJF_INVALID_ARGUMENT naming every line that does not count; SEJF_IO, SEJF_PERMISSION. */
export async function openHtpasswd(file: string): Promise<HtpasswdFile> {
  let { hashes, refused } = parseHtpasswd(await readText(file));
  if (refused.length > 0)
    throw new SejfError("SEJF_INVALID_ARGUMENT", `${file}: ${refused.join("; ")}`, {
      hint: `give each of these names a new password with \`htpasswd -B -C 12 ${file} NAME\`, or make an account with \`server user add\``,
    });
  return {
    hashOf: (name) => hashes.get(name),
    matches: htpasswdMatches,
    async refresh(log) {
      try {
        ({ hashes, refused } = parseHtpasswd(await readText(file)));
        for (const reason of refused) log.error({ file }, `htpasswd file: ${reason}`);
      } catch (error) {
        log.error(
          { file, error: String(error) },
          "the htpasswd file cannot be read: the old one counts",
        );
      }
    },
  };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw errorFromUnknown(error, `reading ${file}`);
  }
}

/** Later lines of a name count for nothing, as in Apache. @throws SEJF_INVALID_ARGUMENT for a file of over a megabyte. */
export function parseHtpasswd(text: string): Parsed {
  if (text.length > MAX_FILE_CHARACTERS)
    throw new SejfError("SEJF_INVALID_ARGUMENT", "the htpasswd file is larger than 1 MiB");
  const hashes = new Map<string, string>();
  const refused: string[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const name = colon < 0 ? "" : line.slice(0, colon);
    const hash = line.slice(colon + 1);
    const reason = name === "" ? "is not of the form name:hash" : weakness(hash);
    if (reason !== undefined)
      refused.push(`line ${index + 1}${name === "" ? "" : ` (${JSON.stringify(name)})`} ${reason}`);
    else if (!hashes.has(name)) hashes.set(name, hash);
  }
  return { hashes, refused };
}

/** Why a hash does not count; `undefined` for one that does. Never repeats it: it may be a password. */
function weakness(hash: string): string | undefined {
  const bcrypt = BCRYPT.exec(hash);
  if (bcrypt !== null) {
    const cost = Number(bcrypt[1]);
    return cost < MIN_BCRYPT_COST || cost > MAX_BCRYPT_COST
      ? `has bcrypt's cost ${cost}, expected ${MIN_BCRYPT_COST} to ${MAX_BCRYPT_COST}`
      : undefined;
  }
  const sha = SHA_CRYPT.exec(hash);
  if (sha !== null)
    return Number(sha[1] ?? 0) > MAX_SHA_ROUNDS
      ? `has ${sha[1]} rounds of SHA-crypt, at most ${MAX_SHA_ROUNDS} are allowed`
      : undefined;
  if (hash.startsWith("$apr1$") || hash.startsWith("$1$"))
    return "is hashed with MD5, which is weak";
  if (/^\{SSHA\}|^\{SHA\}/.test(hash)) return "is hashed with SHA-1, which is weak";
  return "is a plain password or hashed in an unknown or weak way";
}
