/** What a policy may say for its target, checked before it is stored. Spec: kopia-snapshots 5.1. */
import { SejfError } from "../errors/index.ts";
import { isCronExpression } from "./cron.ts";
import type { Policy, PolicyTarget, SchedulingPolicy } from "./policy.ts";
import { isZero } from "./policy-fields.ts";

/** The schedule has no place beside `manual`: Kopia compares the whole group. */
const SCHEDULE = ["intervalSeconds", "timeOfDay", "noParentTimeOfDay", "cron"] as const;

/** @throws SEJF_INVALID_ARGUMENT for what Kopia would not store, or could not read back. */
export function checkPolicy({ path }: PolicyTarget, { upload, scheduling }: Policy): void {
  if (/[/\\]$/.test(path) && path !== "/" && !/^[A-Za-z]:[/\\]$/.test(path))
    throw invalid(`policy path ${path} ends with a separator`);
  if (path !== "" && upload.maxParallelSnapshots !== undefined) {
    throw invalid(
      "the number of parallel snapshots cannot be set for a path, only globally, for a host or a user",
    );
  }
  checkScheduling(scheduling);
}

function checkScheduling(scheduling: SchedulingPolicy): void {
  const { manual, runMissed, cron = [] } = scheduling;
  const scheduled =
    runMissed !== undefined || SCHEDULE.some((member) => !isZero(scheduling[member]));
  if (manual === true && scheduled)
    throw invalid("a manual schedule cannot be combined with other scheduling settings");
  for (const expression of cron) {
    if (!isCronExpression(expression))
      throw invalid(
        `invalid cron expression ${JSON.stringify(expression)}`,
        "give five fields: minute, hour, day of the month, month, day of the week",
      );
  }
}

function invalid(message: string, hint?: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", message, { hint });
}
