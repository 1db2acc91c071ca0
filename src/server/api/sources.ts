/** `sources`: what is snapshotted, and telling the server to do it. Spec: kopia-server 9. */
import { stat } from "node:fs/promises";
import type { Hono } from "hono";
import { z } from "zod";
import type { CallOptions } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import { isAbsent } from "../../repository/index.ts";
import { formatSource, setPolicy } from "../../snapshot/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import type { SourceActionResult, SourceFilter } from "../jobs/types.ts";
import { ApiFailure, malformed } from "./failure.ts";
import { sourceStatusJson } from "./json.ts";
import { resolveLocalPath } from "./local-path.ts";
import {
  type ApiContext,
  bodyOf,
  filterOf,
  policyOf,
  recorded,
  servedBy,
  text,
} from "./request.ts";
import type { ApiOptions, ServedRepository } from "./types.ts";

const createSchema = z.object({
  path: text.min(1, "missing path"),
  createSnapshot: z.boolean().nullish(),
  policy: z.record(z.string(), z.unknown()),
});

/** The JSON of `sources` and of `control/sources`. */
export async function sourcesJson(
  { repository, jobs }: ServedRepository,
  filter: SourceFilter,
  options: CallOptions = {},
): Promise<unknown> {
  const sources = await jobs.sources.list(filter, options);
  return {
    localUsername: repository.identity.username,
    localHost: repository.identity.hostname,
    multiUser: true,
    sources: sources.map(sourceStatusJson),
  };
}

export function addSourceRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.get("/sources", async (context) => {
    const { signal } = context.req.raw;
    return jsonReply(await sourcesJson(servedBy(options), filterOf(context), { signal }));
  });
  app.post("/sources", async (context) => jsonReply(await create(options, context)));
  app.post("/sources/upload", (context) =>
    told(options, context, "snapshot.trigger", (served, filter) =>
      served.jobs.sources.trigger(filter),
    ),
  );
  app.post("/sources/cancel", (context) =>
    told(options, context, "snapshot.cancel", (served, filter) =>
      served.jobs.sources.cancel(filter),
    ),
  );
}

async function create(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const { repository, jobs } = servedBy(options);
  const request = await bodyOf(context, createSchema);
  const policy = policyOf(request.policy);
  const path = resolveLocalPath(request.path, options.env);
  await assertExists(path);
  const source = { ...repository.identity, path };
  const target = formatSource(source);
  await recorded(options, context, { action: "source.create", target }, async () => {
    // First: whoever may not be read gets no policy either.
    await jobs.sources.assertLocal(source);
    await setPolicy(repository.manifests, source, policy);
    await jobs.flush();
    await jobs.sources.add(source);
  });
  if (request.createSnapshot === true) jobs.sources.trigger(source);
  return { snapshotted: request.createSnapshot === true };
}

async function assertExists(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (isAbsent(error)) throw new ApiFailure("PATH_NOT_FOUND", "path does not exist");
    throw malformed(errorFromUnknown(error, `looking at ${path}`).message);
  }
}

async function told(
  options: ApiOptions,
  context: ApiContext,
  action: string,
  act: (served: ServedRepository, filter: SourceFilter) => SourceActionResult,
): Promise<Response> {
  const filter = filterOf(context);
  // oxlint-disable-next-line require-await -- recorded as what takes time is
  const result = await recorded(options, context, { action, target: filter.path }, async () => {
    const sources = act(servedBy(options), filter);
    if (sources.size > 0) return sources;
    throw new ApiFailure("NOT_FOUND", "no source matching the provided filters");
  });
  return jsonReply({ sources: Object.fromEntries(result) });
}
