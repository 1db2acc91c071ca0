/**
 * The optional object `.storageconfig`: which blobs are put into which of the store's classes.
 * Spec: kopia-format 1.4. Reference: kopia repo/blob/s3/s3_storage_config.go.
 */
import { z } from "zod";
import type { BlobId } from "../../blob/index.ts";
import { bytesToUtf8 } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";

/** Its name behind the prefix; hidden from listings, for it is no name of a blob. */
export const STORAGE_CONFIG_NAME = ".storageconfig";

export type StorageClasses = readonly { readonly prefix: string; readonly storageClass: string }[];

const schema = z.object({
  blobOptions: z
    .array(
      z.object({
        prefix: z.string().default(""),
        storageClass: z.string().max(100).default(""),
      }),
    )
    .max(1000)
    .nullish(),
});

/** @throws SEJF_CORRUPT. */
export function parseStorageClasses(bytes: Uint8Array): StorageClasses {
  try {
    return schema.parse(JSON.parse(bytesToUtf8(bytes))).blobOptions ?? [];
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `the object ${STORAGE_CONFIG_NAME} is malformed`, {
      cause: error,
      hint: "correct it or remove it with the store's own tools",
    });
  }
}

/** The first rule whose prefix fits; `undefined`: the bucket's own. */
export function storageClassOf(classes: StorageClasses, id: BlobId): string | undefined {
  return classes.find(({ prefix }) => id.startsWith(prefix))?.storageClass || undefined;
}
