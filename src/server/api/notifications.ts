/**
 * `notificationProfiles`: kept as Kopia keeps them, so that it finds them. This program sends nothing yet, and says so.
 * SECURITY: profiles hold passwords and addresses; only callers with the role of the interface come here.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { type Labels, newestOf } from "../../manifest/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { ApiFailure, unsupported } from "./failure.ts";
import { bodyOf, recorded, servedBy } from "./request.ts";
import type { ApiOptions, ServedRepository } from "./types.ts";

const TYPE = "notificationProfile";
const MIN_SEVERITY = -100;
const MAX_SEVERITY = 100;
const profileSchema = z.object({
  profile: z.string().min(1).max(256),
  method: z.object({
    type: z.enum(["email", "pushover", "webhook"]),
    config: z.record(z.string(), z.unknown()),
  }),
  minSeverity: z.int().min(MIN_SEVERITY).max(MAX_SEVERITY),
});

export function addNotificationRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.get("/notificationProfiles", async () => {
    const profiles = await list(servedBy(options));
    return jsonReply(profiles.length === 0 ? null : profiles);
  });
  app.post("/notificationProfiles", async (context) => {
    const served = servedBy(options);
    const profile = await bodyOf(context, profileSchema);
    const { manifests } = served.repository;
    const target = profile.profile;
    await recorded(options, context, { action: "notification.set", target }, async () => {
      const old = await find(served, labelsOf(target));
      await manifests.put(labelsOf(target), profile);
      for (const { id } of old) await manifests.delete(id);
      await served.jobs.flush();
    });
    return jsonReply({});
  });
  app.get("/notificationProfiles/:profileName", async (context) => {
    const served = servedBy(options);
    const newest = newestOf(await find(served, labelsOf(context.req.param("profileName"))));
    if (newest === undefined) throw new ApiFailure("NOT_FOUND", "profile not found");
    return jsonReply((await served.repository.manifests.get(newest.id)).data);
  });
  app.delete("/notificationProfiles/:profileName", async (context) => {
    const served = servedBy(options);
    const target = context.req.param("profileName");
    await recorded(options, context, { action: "notification.delete", target }, async () => {
      for (const { id } of await find(served, labelsOf(target)))
        await served.repository.manifests.delete(id);
      await served.jobs.flush();
    });
    return jsonReply({});
  });
  app.post("/testNotificationProfile", async (context) => {
    await bodyOf(context, profileSchema);
    throw unsupported(
      "this program does not send notifications yet: profiles are kept for kopia, which does",
    );
  });
}

/** The newest of each name. */
async function list(served: ServedRepository): Promise<readonly unknown[]> {
  const { manifests } = served.repository;
  const byName = new Map<string, unknown>();
  for (const { id, labels } of await find(served, { type: TYPE }))
    byName.set(labels["profile"] ?? "", (await manifests.get(id)).data);
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, data]) => data);
}

/** Those with exactly the labels of a profile: others are not the operator's. */
async function find(
  { repository }: ServedRepository,
  labels: Labels,
): ReturnType<typeof repository.manifests.find> {
  return (await repository.manifests.find(labels)).filter(
    (item) => Object.keys(item.labels).length === 2 && (item.labels["profile"] ?? "") !== "",
  );
}

function labelsOf(profile: string): Labels {
  return { type: TYPE, profile };
}
