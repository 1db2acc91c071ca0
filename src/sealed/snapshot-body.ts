/** `snapshot.age`: the snapshot as a direct repository would hold it, to the account and its escrow. Spec: sealed 5. */
import { bytesToBase64Url, bytesToUtf8, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { openSealed, sealTo } from "./age.ts";
import { JsonShape } from "./json-shape.ts";

const PAD_TO_BYTES = 1024;

/** What only the owner reads of a snapshot. */
export interface SnapshotBody {
  /** Kopia's snapshot manifest with sealed references. */
  readonly manifest: unknown;
  /** The repository's content hash: a restored folder is checked with it. */
  readonly hash: { readonly name: string; readonly secret: OwnedBytes };
}

/** @throws SEJF_INVALID_ARGUMENT for a recipient of a weaker kind. */
export async function sealSnapshotBody(
  recipients: readonly string[],
  { manifest, hash }: SnapshotBody,
): Promise<OwnedBytes> {
  const secret = bytesToBase64Url(hash.secret);
  const text = JSON.stringify({ v: 1, manifest, hash: { name: hash.name, secret } });
  const bytes = utf8ToBytes(text);
  const padded = new Uint8Array(Math.ceil(bytes.length / PAD_TO_BYTES) * PAD_TO_BYTES).fill(0x20);
  padded.set(bytes);
  return await sealTo(recipients, padded);
}

/** @throws SEJF_CORRUPT, SEJF_UNSUPPORTED_FORMAT. */
export async function openSnapshotBody(identity: string, file: Uint8Array): Promise<SnapshotBody> {
  const plain = await openSealed([identity], "a snapshot", file);
  const shape = new JsonShape("a snapshot's body", parse(plain));
  shape.version(1);
  const hash = shape.object("hash");
  return {
    manifest: (JSON.parse(bytesToUtf8(plain)) as { readonly manifest: unknown }).manifest,
    hash: { name: hash.text("name"), secret: hash.bytes("secret") },
  };
}

function parse(plain: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(plain));
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", "a snapshot's body is not JSON", { cause: error });
  }
}
