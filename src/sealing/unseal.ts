/**
 * A sealed snapshot that another program restored to a folder, as a repository to read from: with the identity line
 * alone, without any server. Spec: sealed 5.
 */
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { bytesToHex, type Clock, type OwnedBytes, type Random } from "../bytes/index.ts";
import type { CompressionEngine } from "../compress/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../errors/index.ts";
import {
  type ContentRef,
  type ContentStat,
  type ContentStore,
  isContentId,
} from "../format/index.ts";
import type { ManifestStore } from "../manifest/index.ts";
import { isAbsent, type Repository } from "../repository/index.ts";
import { deriveAccountKeys, identityToSeed, openHead, openSnapshotBody } from "../sealed/index.ts";
import { SealedContents } from "./sealed-contents.ts";

const MAX_FILE_BYTES = 64 << 20;

export interface UnsealTools {
  readonly engine: CryptoEngine;
  readonly compression: CompressionEngine;
  readonly clock: Clock;
  readonly random: Random;
}

export interface RestoredFolder {
  /** Reads only. */
  readonly repository: Repository;
  /** The plain snapshot manifest; its root is read through the repository. */
  readonly manifest: unknown;
  /** Whether a device of the account signed it; a checkpoint is signed by nobody, and an escrow key cannot tell. */
  readonly isSigned: boolean;
}

export interface RestoredFolderOptions {
  /** The identity is another recipient's than the account's, and cannot tell who signed. */
  readonly isEscrow?: boolean | undefined;
  /** SECURITY: who knows the recipient can make a folder that opens; the user has said that this one is to be opened all the same. */
  readonly mayBeUnsigned?: boolean | undefined;
}

/**
 * @throws SEJF_NOT_FOUND when the folder is no restored sealed snapshot; SEJF_CORRUPT for another account's, one that was
 * altered, and unless `mayBeUnsigned` one of which nobody can tell who made it.
 */
export async function openRestoredFolder(
  tools: UnsealTools,
  folder: string,
  identity: string,
  { isEscrow = false, mayBeUnsigned = false }: RestoredFolderOptions = {},
): Promise<RestoredFolder> {
  const { engine } = tools;
  const body = await readPart(folder, "snapshot.age");
  if (body === undefined)
    throw new SejfError("SEJF_NOT_FOUND", `${folder} has no snapshot.age`, {
      hint: "give the folder into which a sealed snapshot was restored",
    });
  const line = await readPart(folder, "head.json");
  if (!mayBeUnsigned) assertTellable(folder, line !== undefined, isEscrow);
  const keys = await deriveAccountKeys(engine, identityToSeed(identity));
  const { manifest, hash } = await openSnapshotBody(keys.identity, body);
  if (line !== undefined && !isEscrow) {
    const { head } = openHead(engine, keys.signingPublicKey, new TextDecoder().decode(line));
    if (head.body !== bytesToHex(engine.sha256(body)))
      throw new SejfError("SEJF_CORRUPT", `${folder}: snapshot.age is not the one that was signed`);
  }
  const files = await contentFiles(join(folder, "contents"));
  const contents = new SealedContents({
    inner: folderContents(tools.compression, folder, files),
    engine,
    idHash: engine.contentHash(hash.name, hash.secret),
    privateSecret: keys.privateSecret,
    splitter: "DYNAMIC-4M-BUZHASH",
  });
  return {
    manifest,
    isSigned: line !== undefined && !isEscrow,
    repository: readingRepository(tools, contents, hash.name),
  };
}

/** @throws SEJF_CORRUPT. */
function assertTellable(folder: string, hasHead: boolean, isEscrow: boolean): void {
  if (hasHead && !isEscrow) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    hasHead
      ? `an escrow recipient's key cannot tell whether the account signed ${folder}`
      : `${folder} has no head.json: nobody signed it`,
    {
      hint: hasHead
        ? "anybody can make a folder that this key opens; `--unsigned` unseals it all the same"
        : "it is a checkpoint of a snapshot that was not finished, or somebody else made it; `--unsigned` unseals it all the same",
    },
  );
}

/** Paths by content ID. Names of leaves are object IDs too, so a file's name alone decides. */
async function contentFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const pending = [folder];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const directory = next;
    let entries;
    try {
      entries = await readdir(directory, { withFileTypes: true });
    } catch (error) {
      throw errorFromUnknown(error, `reading ${directory}`);
    }
    for (const entry of entries) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile() && isContentId(entry.name)) files.set(entry.name, path);
    }
  }
  return files;
}

async function readPart(folder: string, name: string): Promise<OwnedBytes | undefined> {
  try {
    return await readBounded(join(folder, name));
  } catch (error) {
    if (isSejfError(error, "SEJF_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function readBounded(path: string): Promise<OwnedBytes> {
  await lengthOf(path);
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw errorFromUnknown(error, `reading ${path}`);
  }
}

/** SECURITY: somebody else may have made the folder. @throws SEJF_NOT_FOUND, SEJF_CORRUPT. */
async function lengthOf(path: string): Promise<number> {
  let info;
  try {
    info = await stat(path);
  } catch (error) {
    if (isAbsent(error)) throw new SejfError("SEJF_NOT_FOUND", `there is no ${path}`);
    throw errorFromUnknown(error, `reading ${path}`);
  }
  if (info.isFile() && info.size <= MAX_FILE_BYTES) return info.size;
  throw new SejfError(
    "SEJF_CORRUPT",
    info.isFile() ? `${path} is longer than any content` : `${path} is no file`,
  );
}

/** Ciphertexts by name. Whoever reads compares them with their names. */
function folderContents(
  compression: CompressionEngine,
  folder: string,
  files: ReadonlyMap<string, string>,
): ContentStore {
  const refuse = (): never => {
    throw new SejfError("SEJF_READ_ONLY", `${folder} is only read`);
  };
  const pathOf = (id: string): string => {
    const path = files.get(id);
    if (path === undefined)
      throw new SejfError("SEJF_CONTENT_NOT_FOUND", `content ${id} is not in ${folder}`, {
        hint: "restore the whole snapshot: a part of it is missing",
      });
    return path;
  };
  return {
    compression,
    async read(ref: ContentRef): Promise<OwnedBytes> {
      return await readBounded(pathOf(ref));
    },
    async stat(ref: ContentRef): Promise<ContentStat | undefined> {
      return files.has(ref) ? { ref, originalLength: await lengthOf(pathOf(ref)) } : undefined;
    },
    write: refuse,
    flush: refuse,
    readMany: refuse,
    writeFiles: refuse,
    restoreFiles: refuse,
    verifyMany: refuse,
  };
}

function readingRepository(
  { clock }: UnsealTools,
  contents: SealedContents,
  hash: string,
): Repository {
  const none = (): never => {
    throw new SejfError("SEJF_UNSUPPORTED", "a restored folder has no manifests");
  };
  const manifests: ManifestStore = { put: none, get: none, find: none, delete: none, flush: none };
  return {
    contents,
    manifests,
    parameters: { hash, splitter: "DYNAMIC-4M-BUZHASH", indexVersion: 2, formatVersion: 3 },
    identity: { username: "", hostname: "" },
    clock,
    readOnly: true,
    description: "a restored folder",
    flush: none,
    // oxlint-disable-next-line require-await
    async refresh(): Promise<void> {},
    async [Symbol.asyncDispose](): Promise<void> {},
  };
}
