/**
 * Maintenance on a server: its owner's turn of what keeps a repository quick. Indexes are compacted and superseded ones
 * removed by Kopia's margins, manifests are joined when they lie in many contents. What removes contents and packs that
 * nothing needs, the full cycle, is handed to whoever offers it. Spec: kopia-snapshots 7.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { newestOf } from "../../manifest/index.ts";
import type { DirectRepository, Repository } from "../../repository/index.ts";
import type { ServerLog } from "../types.ts";
import type { MaintenanceRunner } from "./types.ts";

const NS_PER_MS = 1_000_000;
/** Joining pays from so many contents on. */
const MIN_MANIFEST_CONTENTS = 16;

export interface MaintenanceOptions {
  readonly repository: DirectRepository;
  readonly log: ServerLog;
  /** Runs the work while nobody flushes. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  /** Removes contents and packs that nothing needs; resolves with a line for the log. */
  readonly full?: ((options: CallOptions) => Promise<string>) | undefined;
}

interface Cycle {
  readonly enabled: boolean;
  readonly intervalMs: number;
}

interface Parameters {
  readonly owner: string;
  readonly quick: Cycle;
  readonly full: Cycle;
}

/** For the connection's own `user@host`; whoever else owns maintenance does it himself. */
export function ownMaintenance(options: MaintenanceOptions): MaintenanceRunner {
  return new OwnMaintenance(options);
}

class OwnMaintenance implements MaintenanceRunner {
  readonly #options: MaintenanceOptions;
  /** When the cycles ran last in this process. */
  #quickMs: number | undefined;
  #fullMs: number | undefined;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    // Where nobody does it, it is told once in an interval, and not at every start.
    if (options.full === undefined) this.#fullMs = options.repository.clock.nowMs();
  }

  async nextMs(options: CallOptions = {}): Promise<number | undefined> {
    const parameters = await this.#ours(options);
    if (parameters === undefined) return undefined;
    const { quick, full } = parameters;
    const times = [dueMs(quick, this.#quickMs), dueMs(full, this.#fullMs)].filter(
      (time) => time !== undefined,
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async run({ now, signal }: CallOptions & { readonly now: number }): Promise<string | undefined> {
    const parameters = await this.#ours({ signal });
    if (parameters === undefined) return undefined;
    const isDue = (cycle: Cycle, last: number | undefined): boolean =>
      (dueMs(cycle, last) ?? Number.POSITIVE_INFINITY) <= now;
    const full = isDue(parameters.full, this.#fullMs);
    if (!full && !isDue(parameters.quick, this.#quickMs)) return undefined;
    // Before the work, so that one that fails is not begun again at once.
    this.#quickMs = now;
    if (full) this.#fullMs = now;
    const done = await this.#quick(signal);
    return full ? `${done}; ${await this.#full(signal)}` : done;
  }

  /** `undefined` when another one owns maintenance, or nobody does. */
  async #ours(options: CallOptions): Promise<Parameters | undefined> {
    const { repository, log } = this.#options;
    if (repository.readOnly) return undefined;
    const parameters = await readParameters(repository, options);
    const { username, hostname } = repository.identity;
    if (parameters?.owner === `${username}@${hostname}`) return parameters;
    log.debug({ owner: parameters?.owner ?? "" }, "maintenance is not this server's");
    return undefined;
  }

  async #quick(signal: AbortSignal | undefined): Promise<string> {
    const { repository, exclusively } = this.#options;
    const { contents, manifests } = repository;
    const result = await exclusively(
      async () => await contents.maintainIndexes({ cleanup: true, signal }),
    );
    const joined = await exclusively(async () =>
      (await manifests.contentCount({ signal })) < MIN_MANIFEST_CONTENTS
        ? 0
        : await manifests.compact({ signal }),
    );
    const { compactedEpochs, deletedBlobs } = result;
    return `quick maintenance: ${compactedEpochs.length} epochs compacted, ${deletedBlobs.length} superseded index blobs removed, ${joined} contents of manifests joined`;
  }

  async #full(signal: AbortSignal | undefined): Promise<string> {
    const { full, log } = this.#options;
    if (full !== undefined) return await full({ signal });
    log.warn(
      {},
      "full maintenance is due, but this program does not do it yet: data that no snapshot needs stay where they are until `kopia maintenance run --full` is run as the owner of maintenance",
    );
    return "full maintenance left out";
  }
}

function dueMs(cycle: Cycle, lastMs: number | undefined): number | undefined {
  if (!cycle.enabled) return undefined;
  return lastMs === undefined ? 0 : lastMs + cycle.intervalMs;
}

async function readParameters(
  repository: Repository,
  options: CallOptions,
): Promise<Parameters | undefined> {
  const { manifests } = repository;
  // Clients' manifests have more labels, if there were any.
  const found = (await manifests.find({ type: "maintenance" }, options)).filter(
    ({ labels }) => Object.keys(labels).length === 1,
  );
  const newest = newestOf(found);
  if (newest === undefined) return undefined;
  const data = (await manifests.get(newest.id, options)).data as Readonly<
    Record<string, unknown>
  > | null;
  const owner = data?.["owner"];
  return typeof owner !== "string"
    ? undefined
    : { owner, quick: cycleOf(data?.["quick"]), full: cycleOf(data?.["full"]) };
}

/** One without a usable interval is off. */
function cycleOf(value: unknown): Cycle {
  const { enabled, interval } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const usable = typeof interval === "number" && interval >= NS_PER_MS;
  return {
    enabled: enabled === true && usable,
    intervalMs: usable ? interval / NS_PER_MS : 0,
  };
}
