/** The flags of connections that are described elsewhere: a token, or another connection file. */
import { readFile } from "node:fs/promises";
import { text as readAllText } from "node:stream/consumers";
import { errorFromUnknown } from "../../errors/index.ts";
import {
  decodeToken,
  loadConfig,
  resolveConfigFile,
  serverOf,
  storageOf,
  type Token,
} from "../../repository/index.ts";
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

/** The connection of a token or of another connection file, which is one without a password. */
export async function describedConnection(
  context: CommandContext,
  values: TokenFlagValues,
): Promise<Token> {
  if (values.file !== undefined) return await fileConnection(context, values.file);
  if (values.token !== undefined) return decodeToken(values.token);
  if (values.tokenFile !== undefined) return decodeToken(await readTokenFile(values.tokenFile));
  if (values.tokenStdin) return decodeToken(await readAllText(process.stdin));
  throw usageError("one of --file, --token-file, --token-stdin or --token must be provided");
}

async function fileConnection({ env }: CommandContext, path: string): Promise<Token> {
  const file = resolveConfigFile(path, env);
  const config = await loadConfig(file, env);
  const server = serverOf(config, file);
  if (server === undefined) return { storage: storageOf(config, file), password: undefined };
  const { username, hostname } = config.client;
  return { server, username, hostname, password: undefined };
}

async function readTokenFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw errorFromUnknown(error, `reading the token file ${path}`);
  }
}
