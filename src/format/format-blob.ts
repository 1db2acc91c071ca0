/** `kopia.repository`: what is known of a repository without its password. Spec: kopia-format 2.1. */
import { bytesToBase64, concatBytes, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { encodeJson, JsonObject, type UnknownMembers } from "./json-members.ts";

/** The decoded format blob. */
export interface FormatBlob {
  /** Who made it; informational, as the next two. */
  readonly tool: string | undefined;
  readonly buildVersion: string | undefined;
  readonly buildInfo: string | undefined;
  /** Salt of every key derivation, fixed for the life of the repository: 16 bytes or more. */
  readonly uniqueId: OwnedBytes;
  /** How the password becomes the format key. */
  readonly keyAlgorithm: string;
  /** Of the format inside; only `AES256_GCM` is known. */
  readonly encryption: string;
  /** For `openFormat`. */
  readonly encryptedFormat: OwnedBytes;
  readonly unknown: UnknownMembers;
}

/** The least that the key derivation takes as a salt. */
const MIN_UNIQUE_ID_BYTES = 16;

const NEWLINE = utf8ToBytes("\n");

/** @throws SEJF_CORRUPT. Whether the algorithms are known is asked later, where they are used. */
export function decodeFormatBlob(bytes: Uint8Array): FormatBlob {
  const json = JsonObject.decode(bytes, "kopia.repository");
  const uniqueId = json.bytes("uniqueID");
  if (uniqueId.byteLength < MIN_UNIQUE_ID_BYTES) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `kopia.repository has a unique ID of ${uniqueId.byteLength} bytes, expected ${MIN_UNIQUE_ID_BYTES} or more`,
    );
  }
  return {
    tool: json.optionalString("tool"),
    buildVersion: json.optionalString("buildVersion"),
    buildInfo: json.optionalString("buildInfo"),
    uniqueId,
    keyAlgorithm: json.string("keyAlgo"),
    encryption: json.string("encryption"),
    encryptedFormat: json.bytes("encryptedBlockFormat"),
    unknown: json.unknown,
  };
}

/** As Kopia lays it out: two spaces of indent, its order of members, a newline at the end. */
export function encodeFormatBlob(blob: FormatBlob): OwnedBytes {
  const json = encodeJson(
    {
      tool: blob.tool,
      buildVersion: blob.buildVersion,
      buildInfo: blob.buildInfo,
      uniqueID: bytesToBase64(blob.uniqueId),
      keyAlgo: blob.keyAlgorithm,
      encryption: blob.encryption,
      encryptedBlockFormat:
        blob.encryptedFormat.byteLength === 0 ? undefined : bytesToBase64(blob.encryptedFormat),
      ...blob.unknown,
    },
    2,
  );
  return concatBytes(json, NEWLINE);
}
