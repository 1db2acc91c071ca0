/** The trash of a server as its accounts see it, and as whoever holds the repository does. */
import { formatTimestamp } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import {
  type ConnectionConfig,
  loadConfig,
  type Repository,
  sealedAccountOf,
  serverOf,
} from "../../repository/index.ts";
import type { TrashedSnapshot } from "../../sealed/index.ts";
import { AccountClient, needsSejfServer, type SealedRepository } from "../../sealing/index.ts";
import {
  formatSource,
  listSnapshots,
  readTrash,
  TRASH_LABELS,
  type TrashedManifest,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";

/** Without `keptUntil` where no server said how long it keeps them. */
export type ShownTrash = Omit<TrashedSnapshot, "keptUntil"> &
  Partial<Pick<TrashedSnapshot, "keptUntil">>;

export interface OpenTrash {
  /** Oldest deletion first. */
  list(): Promise<readonly ShownTrash[]>;
  /** The ID that the snapshot has from now on. @throws SEJF_NOT_FOUND. */
  undelete(id: string): Promise<ManifestId>;
}

/** By the connection: a sealed account's, a managed account's, or all of a repository. @throws SEJF_UNSUPPORTED where there is none. */
export async function withTrash(
  context: CommandContext,
  use: (trash: OpenTrash) => Promise<void>,
): Promise<void> {
  const config = await loadConfig(context.configFile, context.env);
  if (sealedAccountOf(config) !== undefined) return await withSealedTrash(context, use);
  if (config.apiServer !== undefined) return await use(await managedTrash(context, config));
  await using repository = await context.openDirectRepository();
  await use(wholeTrash(context, repository));
}

async function withSealedTrash(
  context: CommandContext,
  use: (trash: OpenTrash) => Promise<void>,
): Promise<void> {
  const open = await context.openSealed("full");
  await using repository = open.repository;
  const { client } = await open.unlocked();
  if (client === undefined) throw needsSejfServer("a trash");
  await use({
    list: async () => await withPaths(repository, await client.trash()),
    undelete: async (id) => await client.undelete(id),
  });
}

/** The server names sources as it knows them; those that this account still has snapshots of are shown as they are. */
async function withPaths(
  repository: SealedRepository,
  trash: readonly TrashedSnapshot[],
): Promise<readonly TrashedSnapshot[]> {
  const { username, hostname } = repository.identity;
  const names = new Map<string, string>();
  for (const { source } of await listSnapshots(repository))
    names.set(`${username}@${hostname}:${repository.blind(source.path)}`, formatSource(source));
  return trash.map((one) => ({ ...one, source: names.get(one.source) ?? one.source }));
}

async function managedTrash(context: CommandContext, config: ConnectionConfig): Promise<OpenTrash> {
  const server = serverOf(config, context.configFile);
  if (server === undefined) throw needsSejfServer("a trash");
  const { username, hostname } = config.client;
  const { url, fingerprint } = server;
  const account = `${username}@${hostname}`;
  const password = await context.password();
  const client = AccountClient.ofManaged({ url, fingerprint }, account, password);
  return {
    list: async () => await client.trash(),
    undelete: async (id) => await client.undelete(id),
  };
}

/** Of all accounts. */
function wholeTrash({ signal }: CommandContext, repository: Repository): OpenTrash {
  const { manifests } = repository;
  const all = async (): Promise<readonly TrashedManifest[]> => {
    const found: TrashedManifest[] = [];
    for (const { id } of await manifests.find(TRASH_LABELS, { signal })) {
      const trashed = readTrash(await manifests.get(id, { signal }));
      if (trashed !== undefined) found.push(trashed);
    }
    return found;
  };
  return {
    list: async () =>
      (await all()).map(({ id, owner, path, startTime, deletedNs }) => ({
        id,
        source: `${owner}:${path}`,
        startTime,
        deletedAt: formatTimestamp(deletedNs),
      })),
    async undelete(id) {
      const trashed = (await all()).find((one) => one.id === id);
      if (trashed === undefined)
        throw new SejfError("SEJF_NOT_FOUND", `no snapshot ${id} is in the trash`, {
          hint: "`sejf snapshot list --trash` shows those that are",
        });
      const { labels, data } = trashed.original;
      const newId = await manifests.put(labels, data, { signal });
      await manifests.delete(trashed.manifestId, { signal });
      await repository.flush({ signal });
      return newId;
    },
  };
}
