/** `cache prefetch`: reads objects, so that their contents are in the cache. A directory's files are not read. */
import { SejfError } from "../../errors/index.ts";
import type { ContentRef, ContentRequest } from "../../format/index.ts";
import { objectContents } from "../../object/index.ts";
import type { Repository } from "../../repository/index.ts";
import { resolveObjectPath } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice } from "../flags.ts";

const HINTS = ["default", "contents", "blobs", "none"] as const;

export const command: Command = defineCommand({
  summary: "Prefetches the provided objects into cache",
  description:
    "Objects are named as for `sejf show`. Whether contents or whole packs are fetched is decided by what they hold, whatever the hint; with the hint `none` the contents are only looked up.",
  flags: { hint: choice("Prefetch hint", HINTS, { default: "default" }) },
  arguments: [{ name: "object", help: "Object ID to prefetch", required: true, variadic: true }],
  async run(context, flags, args) {
    await using repository = await context.openRepository();
    const { signal } = context;
    const refs = new Set<ContentRef>();
    for (const path of args) {
      const { entry } = await resolveObjectPath(repository, path, { signal });
      for await (const page of objectContents(repository.contents, entry.object, { signal }))
        for (const ref of page) refs.add(ref);
    }
    const count = await (flags.hint === "none" ? countKnown : readAll)(repository, refs, signal);
    context.log.info(`prefetched ${count} contents`);
    return 0;
  },
});

async function countKnown(
  repository: Repository,
  refs: ReadonlySet<ContentRef>,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const ref of refs)
    if ((await repository.contents.stat(ref, { signal })) !== undefined) count++;
  return count;
}

async function readAll(
  repository: Repository,
  refs: ReadonlySet<ContentRef>,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for await (const results of repository.contents.readMany(requests(refs), { signal })) {
    for (const result of results) {
      if (!result.ok) throw new SejfError(result.code, result.message);
      count++;
    }
  }
  return count;
}

// An asynchronous iterable is what the store takes.
// oxlint-disable-next-line require-await
async function* requests(
  refs: ReadonlySet<ContentRef>,
): AsyncGenerator<readonly ContentRequest[], void, void> {
  yield [...refs].map((ref, job) => ({ job, ref }));
}
