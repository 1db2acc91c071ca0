/** `estimate` and `paths/resolve`: looking at the server's own disk before something is made a source. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { stat } from "node:fs/promises";
import type { Hono } from "hono";
import { z } from "zod";
import {
  type Estimate,
  estimateInSteps,
  policyTree,
  type PolicyTree,
  type SizeBucket,
} from "../../snapshot/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { viewPolicies } from "../jobs/policy-view.ts";
import type { TaskControl, TaskCounters } from "../jobs/task-types.ts";
import { bytes, errors, plain } from "../jobs/upload-progress.ts";
import { ApiFailure } from "./failure.ts";
import { resolveLocalPath } from "./local-path.ts";
import {
  absentOr,
  type ApiContext,
  bodyOf,
  policyOf,
  servedBy,
  text,
  toJsonSource,
} from "./request.ts";
import type { ApiOptions } from "./types.ts";

/** Directories looked at before others get their turn. */
const STEPS_A_TURN = 16;
const MAX_EXAMPLES = 1000;
const estimateSchema = z.object({
  root: text,
  maxExamplesPerBucket: absentOr(z.int().max(MAX_EXAMPLES)),
  policyOverride: absentOr(z.record(z.string(), z.unknown())),
});
const pathSchema = z.object({ path: text });

export function addEstimateRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.post("/estimate", async (context) => jsonReply(await estimate(options, context)));
  app.post("/paths/resolve", async (context) => {
    const { identity } = servedBy(options).repository;
    const request = await bodyOf(context, pathSchema);
    const path = resolveLocalPath(request.path, options.env);
    return jsonReply({ source: toJsonSource({ ...identity, path }) });
  });
}

async function estimate(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const { repository } = servedBy(options);
  const request = await bodyOf(context, estimateSchema);
  const root = resolveLocalPath(request.root, options.env);
  const found = await stat(root).catch(() => undefined);
  if (found === undefined) throw new ApiFailure("PATH_NOT_FOUND", "path does not exist");
  if (!found.isDirectory())
    throw new ApiFailure("PATH_NOT_FOUND", "estimation is only supported on directories");
  const source = { ...repository.identity, path: root };
  const view = await viewPolicies(repository.manifests);
  const { policyOverride: override } = request;
  const manifests =
    override === null || override === undefined ? view : view.with(source, policyOf(override));
  const policies = await policyTree(manifests, source);
  const maxExamples = Math.max(0, request.maxExamplesPerBucket ?? 0);
  const { id } = options.tasks.start("Estimate", root, async (control) => {
    await run(control, root, policies, maxExamples);
  });
  return options.tasks.get(id);
}

/** In steps, so that a big tree does not keep the server from everything else. */
async function run(
  control: TaskControl,
  root: string,
  policies: PolicyTree,
  maxExamples: number,
): Promise<void> {
  let directories = 0;
  const steps = estimateInSteps(root, policies, {
    maxExamples,
    onDirectory: (path) => {
      directories++;
      control.progress(path);
    },
    onError: (path, message, ignored) =>
      control.log("error", `${ignored ? "ignored error" : "error"} in ${path}: ${message}`),
  });
  for (let step = 0; ; step++) {
    const next = steps.next();
    if (next.done === true) {
      control.counters(countersOf(next.value, directories));
      tellBuckets(control, "Included", next.value.included);
      tellBuckets(control, "Excluded", next.value.excluded);
      return;
    }
    if (step % STEPS_A_TURN !== 0) continue;
    await nextTurn();
    control.signal.throwIfAborted();
  }
}

function countersOf(estimated: Estimate, directories: number): TaskCounters {
  return {
    Bytes: bytes(estimated.bytes),
    "Excluded Bytes": bytes(estimated.excludedBytes),
    Files: plain(estimated.files),
    Directories: plain(directories),
    "Excluded Files": plain(estimated.excludedFiles),
    "Excluded Directories": plain(estimated.excludedDirectories),
    Errors: errors(estimated.errors),
    "Ignored Errors": errors(estimated.ignoredErrors),
  };
}

function tellBuckets(control: TaskControl, what: string, buckets: readonly SizeBucket[]): void {
  const filled = buckets.filter(({ count }) => count > 0);
  if (filled.length === 0) control.log("info", `${what} files: None`);
  for (const { minBytes, count, totalBytes, examples } of filled) {
    control.log(
      "info",
      `${what} files of ${minBytes} bytes or more: ${count}, ${totalBytes} bytes`,
    );
    if (what === "Excluded")
      for (const { path, sizeBytes } of examples)
        control.log("info", ` - ${path}: ${sizeBytes} bytes`);
  }
}
