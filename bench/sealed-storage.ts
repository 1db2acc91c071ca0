/** What sealed accounts store: two members of a group with equal data, and their lists of contents, by bytes in packs. */
import { listAllBlobs } from "../src/blob/index.ts";
import type { ContentId, ContentRef } from "../src/format/index.ts";
import { type DirectRepository, openRepository } from "../src/repository/index.ts";
import { createSnapshot } from "../src/snapshot/index.ts";
import { createServedRepository, SERVER_PASSWORD } from "../src/testkit/account-server.ts";
import { SeededRandom } from "../src/testkit/random.ts";
import { sealedAccount, sealOver, sharedGroup } from "../src/testkit/sealed-account.ts";

export interface GroupCost {
  readonly configFile: string;
  /** In packs. */
  readonly firstBytes: number;
  readonly secondBytes: number;
}

/** Two members back up the same folder, in a new repository below `folder`. */
export async function secondMember(folder: string, path: string): Promise<GroupCost> {
  const configFile = await createServedRepository(folder);
  const group = sharedGroup(new SeededRandom(3).bytes(32));
  const bytesOf = async (name: string): Promise<number> => {
    const account = await sealedAccount(`${name}@bench`, { group });
    const before = await packBytes(configFile);
    await using sealed = sealOver(await opened(configFile), account);
    await createSnapshot(sealed, { username: name, hostname: "bench", path });
    await sealed.flush();
    return (await packBytes(configFile)) - before;
  };
  return { configFile, firstBytes: await bytesOf("alice"), secondBytes: await bytesOf("bob") };
}

export interface ListCost {
  /** Of one snapshot. */
  readonly contents: number;
  /** Of the directories that list them, as they lie in packs. */
  readonly listBytes: number;
}

/** Of any sealed snapshot in the repository. */
export async function listCost(configFile: string): Promise<ListCost> {
  await using repository = await opened(configFile);
  const [found] = await repository.manifests.find({ type: "snapshot" });
  if (found === undefined) throw new Error("there is no snapshot");
  const { data } = await repository.manifests.get(found.id);
  const { rootEntry } = data as { readonly rootEntry: { readonly obj: string } };
  const root = await entriesOf(repository, rootEntry.obj);
  const list = root.find(({ name }) => name === "contents");
  if (list === undefined) throw new Error("the snapshot is not a sealed one");
  return await costBelow(repository, list.obj);
}

async function costBelow(repository: DirectRepository, directory: string): Promise<ListCost> {
  const info = await repository.contents.info(directory as ContentId);
  let contents = 0;
  let listBytes = info?.packedLength ?? 0;
  for (const { type, obj } of await entriesOf(repository, directory)) {
    if (type !== "d") contents++;
    else {
      const below = await costBelow(repository, obj);
      contents += below.contents;
      listBytes += below.listBytes;
    }
  }
  return { contents, listBytes };
}

interface Entry {
  readonly name: string;
  readonly type: string;
  readonly obj: string;
}

async function entriesOf(repository: DirectRepository, directory: string): Promise<Entry[]> {
  const bytes = await repository.contents.read(directory as ContentRef);
  return (JSON.parse(new TextDecoder().decode(bytes)) as { readonly entries: Entry[] }).entries;
}

async function opened(configFile: string): Promise<DirectRepository> {
  return await openRepository({ configFile, password: SERVER_PASSWORD });
}

async function packBytes(configFile: string): Promise<number> {
  await using repository = await opened(configFile);
  let bytes = 0;
  for (const prefix of ["p", "q"])
    for (const { lengthBytes } of await listAllBlobs(repository.storage, prefix))
      bytes += lengthBytes;
  return bytes;
}
