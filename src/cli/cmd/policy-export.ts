/** `policy export`: stored policies as one JSON object by target. Reference: kopia cli/command_policy_export.go. */
import { writeFile } from "node:fs/promises";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  encodePolicy,
  formatPolicyTarget,
  getPolicy,
  listPolicies,
  type PolicyTarget,
  type StoredPolicy,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { jsonText } from "../output/json.ts";
import { policyTargets, TARGET_ARGUMENTS, TARGET_FLAGS } from "../shared/policy-targets.ts";
import { usageError } from "../usage-error.ts";

/** Policies tell what is on this machine. */
const FILE_MODE = 0o600;

export const command: Command = defineCommand({
  summary: "Export policies to a file or to standard output",
  description: "Without a target all policies are exported.",
  flags: {
    toFile: text("File path to export to", { placeholder: "FILE" }),
    overwrite: flag("Overwrite the file if it exists"),
    jsonIndent: flag("Output result in indented JSON format", { hidden: true }),
    ...TARGET_FLAGS,
  },
  arguments: TARGET_ARGUMENTS,
  async run(context, flags, args) {
    const { signal } = context;
    const { toFile = "", overwrite } = flags;
    if (overwrite && toFile === "")
      throw usageError("overwrite was passed but no file path was given");
    await using repository = await context.openRepository();
    const policies =
      flags.global || args.length > 0
        ? await stored(
            repository,
            await policyTargets(repository, flags.global, args, { signal }),
            signal,
          )
        : await listPolicies(repository.manifests, { signal });
    const byTarget = policies
      .map(({ target, policy }) => [formatPolicyTarget(target), encodePolicy(policy)] as const)
      .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const json = jsonText(Object.fromEntries(byTarget), { json: true, ...flags });
    if (toFile === "") context.out.line(json);
    else await save(toFile, `${json}\n`, overwrite);
    return 0;
  },
});

async function stored(
  { manifests }: Repository,
  targets: readonly PolicyTarget[],
  signal: AbortSignal,
): Promise<readonly StoredPolicy[]> {
  const policies: StoredPolicy[] = [];
  for (const target of targets) {
    const policy = await getPolicy(manifests, target, { signal });
    if (policy === undefined)
      throw new SejfError(
        "SEJF_NOT_FOUND",
        `can't get defined policy for ${formatPolicyTarget(target)}: policy not found`,
        { hint: "see policy list" },
      );
    policies.push(policy);
  }
  return policies;
}

async function save(path: string, data: string, overwrite: boolean): Promise<void> {
  try {
    await writeFile(path, data, { mode: FILE_MODE, flag: overwrite ? "w" : "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new SejfError("SEJF_ALREADY_EXISTS", `${path} already exists`, {
        hint: "pass --overwrite to replace it",
        cause: error,
      });
    throw errorFromUnknown(error, `writing ${path}`);
  }
}
