/** Showing stored bytes: as they are, decompressed, or as indented JSON. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { bytesToUtf8 } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { CommandContext } from "../context.ts";
import { indentJson } from "../output/json-indent.ts";

const MAX_PLAIN_BYTES = 2 ** 30;

export interface ShowOptions {
  readonly unzip?: boolean | undefined;
  readonly indent?: boolean | undefined;
}

/** @throws SEJF_CORRUPT for what is no gzip stream or no JSON; `what` names it. */
export async function showBytes(
  context: CommandContext,
  data: Uint8Array,
  what: string,
  options: ShowOptions,
): Promise<void> {
  const plain = options.unzip === true ? await decompress(data, what) : data;
  if (options.indent === true) context.out.write(indentJson(textOf(plain, what), what));
  else await context.out.bytes(plain);
}

function textOf(data: Uint8Array, what: string): string {
  try {
    return bytesToUtf8(data);
  } catch {
    throw new SejfError("SEJF_CORRUPT", `${what} is not JSON`);
  }
}

async function decompress(data: Uint8Array, what: string): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(data, { maxOutputLength: MAX_PLAIN_BYTES });
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `${what} is not a gzip stream`, { cause: error });
  }
}
