/** Argon2id of Node where it has it (from 24.7 on), else of noble, which is several times slower. */
import * as crypto from "node:crypto";
import { promisify } from "node:util";
import { argon2idAsync } from "@noble/hashes/argon2.js";
import type { Argon2id } from "../sealed/index.ts";

const OUTPUT_BYTES = 32;

/** 32 bytes of output. In Node's thread pool, off the main thread. */
export const nodeArgon2id: Argon2id = async (password, salt, { memoryKib, passes, lanes }) => {
  if (typeof crypto.argon2 === "function") {
    const derived = await promisify(crypto.argon2)("argon2id", {
      message: password,
      nonce: salt,
      parallelism: lanes,
      tagLength: OUTPUT_BYTES,
      memory: memoryKib,
      passes,
    });
    return new Uint8Array(derived);
  }
  const options = { m: memoryKib, t: passes, p: lanes, dkLen: OUTPUT_BYTES };
  return new Uint8Array(await argon2idAsync(password, salt, options));
};
