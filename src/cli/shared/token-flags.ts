/** The flags of connections that are described elsewhere: a token, or another connection file. */
import { readFile } from "node:fs/promises";
import { text as readAllText } from "node:stream/consumers";
import type { ConnectionInfo } from "../../blob/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import { decodeToken, loadConfig, resolveConfigFile, storageOf } from "../../repository/index.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, text } from "../flags.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  file: text("Path to the configuration file", { placeholder: "FILE" }),
  token: text("Configuration token", { placeholder: "TOKEN" }),
  tokenFile: text("Path to the configuration token file", { placeholder: "FILE" }),
  tokenStdin: flag("Read configuration token from stdin"),
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
export const TOKEN_FLAGS: AllFlags = flags;
export type TokenFlagValues = FlagValues<AllFlags>;

export interface DescribedConnection {
  readonly storage: ConnectionInfo;
  /** From a token that holds one. */
  readonly password: string | undefined;
}

export async function describedConnection(
  context: CommandContext,
  values: TokenFlagValues,
): Promise<DescribedConnection> {
  if (values.file !== undefined) {
    const file = resolveConfigFile(values.file, context.env);
    return { storage: storageOf(await loadConfig(file, context.env), file), password: undefined };
  }
  if (values.token !== undefined) return decodeToken(values.token);
  if (values.tokenFile !== undefined) return decodeToken(await readTokenFile(values.tokenFile));
  if (values.tokenStdin) return decodeToken(await readAllText(process.stdin));
  throw usageError("one of --file, --token-file, --token-stdin or --token must be provided");
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw errorFromUnknown(error, `reading the token file ${path}`);
  }
}
