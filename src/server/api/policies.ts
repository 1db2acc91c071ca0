/** `policy` and `policies`: stored policies, and what they amount to. Spec: kopia-server 9. */
import type { Hono } from "hono";
import { z } from "zod";
import { isSejfError } from "../../errors/index.ts";
import {
  checkPolicy,
  formatPolicyTarget,
  getPolicy,
  GLOBAL_TARGET,
  mergePolicies,
  nextSnapshotTime,
  type Policy,
  type PolicyLevel,
  policyLevels,
  policyOrigins,
  type PolicyTarget,
  removePolicy,
  setPolicy,
  type StoredPolicy,
} from "../../snapshot/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { type PolicyView, viewPolicies } from "../jobs/policy-view.ts";
import { rfc3339 } from "../jobs/texts.ts";
import { ApiFailure } from "./failure.ts";
import { policyJson } from "./json.ts";
import {
  absentOr,
  type ApiContext,
  bodyOf,
  filterOf,
  policyOf,
  recorded,
  servedBy,
  targetOf,
  toJsonSource,
} from "./request.ts";
import type { ApiOptions } from "./types.ts";

const policySchema = z.record(z.string(), z.unknown());
/** More is no preview any more. */
const MAX_TIMES = 1000;
const resolveSchema = z.object({
  updates: absentOr(policySchema),
  numUpcomingSnapshotTimes: absentOr(z.int().max(MAX_TIMES)),
});
const NS_PER_MS = 1_000_000n;

export function addPolicyRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.get("/policies", async (context) => jsonReply(await list(options, context)));
  app.get("/policy", async (context) => {
    const { manifests } = servedBy(options).repository;
    const stored = await getPolicy(await viewPolicies(manifests), targetOf(context));
    if (stored === undefined) throw new ApiFailure("NOT_FOUND", "policy not found", 400);
    return jsonReply(policyJson(stored.policy));
  });
  app.put("/policy", async (context) => {
    const policy = policyOf(await bodyOf(context, policySchema));
    return await change(options, context, "policy.set", async ({ manifests }, target) => {
      await setPolicy(manifests, target, policy);
    });
  });
  app.delete("/policy", (context) =>
    change(options, context, "policy.delete", async ({ manifests }, target) => {
      await removePolicy(manifests, target);
    }),
  );
  app.post("/policy/resolve", async (context) => jsonReply(await resolve(options, context)));
}

async function list(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const { manifests } = servedBy(options).repository;
  const filter = filterOf(context);
  const view = await viewPolicies(manifests);
  const policies: unknown[] = [];
  for (const target of view.targets().toSorted(byName)) {
    const wanted = (["hostname", "username", "path"] as const).every(
      (part) => (filter[part] ?? "") === "" || filter[part] === target[part],
    );
    const stored = wanted ? await readOrTell(options, view, target) : undefined;
    if (stored === undefined) continue;
    const { id, policy } = stored;
    policies.push({ id, target: toJsonSource(target), policy: policyJson(policy) });
  }
  return { policies };
}

function byName(a: PolicyTarget, b: PolicyTarget): number {
  return formatPolicyTarget(a) < formatPolicyTarget(b) ? -1 : 1;
}

/** One that cannot be read does not hide the others. */
async function readOrTell(
  options: ApiOptions,
  view: PolicyView,
  target: PolicyTarget,
): Promise<StoredPolicy | undefined> {
  try {
    return await getPolicy(view, target);
  } catch (error) {
    if (!isSejfError(error)) throw error;
    const owner = `${target.username}@${target.hostname}`;
    options.log.warn({ owner, code: error.code }, "a policy cannot be read");
    return undefined;
  }
}

async function change(
  options: ApiOptions,
  context: ApiContext,
  action: string,
  work: (
    repository: ReturnType<typeof servedBy>["repository"],
    target: ReturnType<typeof targetOf>,
  ) => Promise<void>,
): Promise<Response> {
  const { repository, jobs } = servedBy(options);
  const policyTarget = targetOf(context);
  const target = formatPolicyTarget(policyTarget);
  await recorded(options, context, { action, target }, async () => {
    await work(repository, policyTarget);
    await jobs.flush();
  });
  await jobs.refresh();
  return jsonReply({});
}

async function resolve(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const { repository } = servedBy(options);
  const target = targetOf(context);
  const request = await bodyOf(context, resolveSchema);
  const [own, ...parents] = await policyLevels(await viewPolicies(repository.manifests), target);
  const updated = typeof request.updates === "object" && request.updates !== null;
  const first = updated ? policyOf(request.updates) : (own as PolicyLevel).policy;
  const levels: readonly PolicyLevel[] = [{ target, policy: first }, ...parents];
  const effective = mergePolicies(levels.map(({ policy }) => policy));
  const problem = problemOf(first);
  return {
    effective: policyJson(effective),
    definition: definitionJson(levels),
    defined: policyJson((own as PolicyLevel).policy),
    upcomingSnapshotTimes: upcoming(
      effective,
      options.clock.nowMs(),
      request.numUpcomingSnapshotTimes ?? 0,
    ),
    ...(problem === undefined ? {} : { schedulingError: problem }),
  };
}

function problemOf(policy: Policy): string | undefined {
  try {
    checkPolicy(GLOBAL_TARGET, policy);
    return undefined;
  } catch (error) {
    if (isSejfError(error)) return error.message;
    throw error;
  }
}

/** Fields whose origin Kopia does not tell. */
const UNTOLD: ReadonlySet<string> = new Set([
  "scheduling.noParentTimeOfDay",
  "compression.noParentOnlyCompress",
  "compression.noParentNeverCompress",
  "actions.beforeFolder",
  "actions.afterFolder",
]);

/** Where each value comes from, in the shape of a policy. */
function definitionJson(levels: readonly PolicyLevel[]): unknown {
  const root: Record<string, unknown> = {};
  for (const [field, target] of policyOrigins(levels)) {
    if (UNTOLD.has(field)) continue;
    const path = field.split(".");
    const last = path.pop() ?? "";
    let group = root;
    for (const name of path) group = (group[name] ??= {}) as Record<string, unknown>;
    group[last] = toJsonSource(target);
  }
  return root;
}

function upcoming({ scheduling }: Policy, nowMs: number, count: number): readonly string[] {
  const times: string[] = [];
  let from = BigInt(Math.round(nowMs)) * NS_PER_MS;
  while (times.length < count) {
    const next = nextSnapshotTime(scheduling, from, from);
    if (next === undefined) break;
    times.push(rfc3339(Number(next / NS_PER_MS)));
    from = next + 1000n * NS_PER_MS;
  }
  return times;
}
