/** `policy edit`: a stored policy in the user's editor. Reference: kopia cli/command_policy_edit.go. */
import {
  checkPolicy,
  EMPTY_POLICY,
  encodePolicy,
  formatPolicyTarget,
  getPolicy,
  type Policy,
  type PolicyTarget,
  setPolicy,
  unknownPolicyMembers,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { jsonText } from "../output/json.ts";
import { askLine } from "../shared/ask-line.ts";
import { editText } from "../shared/editor.ts";
import { parseJsonText, policyFromJson } from "../shared/policy-file.ts";
import { policyTargets, TARGET_ARGUMENTS, TARGET_FLAGS } from "../shared/policy-targets.ts";

const FILE_NAME = "policy.conf";

/** Comments above some of the groups. */
const HELP: Readonly<Record<string, readonly string[]>> = {
  retention: [
    "How many snapshots are kept, by age:",
    '  "keepLatest", "keepHourly", "keepDaily", "keepWeekly", "keepMonthly", "keepAnnual": number',
    '  "ignoreIdenticalSnapshots": true or false',
  ],
  files: [
    "What is left out of snapshots:",
    '  "ignore": ["*.tmp", "/cache/"]',
    '  "ignoreDotFiles": [".kopiaignore"]',
    '  "maxFileSize": bytes',
    '  "oneFileSystem", "ignoreCacheDirs": true or false',
  ],
  scheduling: [
    "When the server makes snapshots:",
    '  "intervalSeconds": number (60 a minute, 3600 an hour, 86400 a day)',
    '  "timeOfDay": [{"hour": 3, "min": 30}]',
    '  "cron": ["0 3 * * 1-5"]',
    '  "manual": true (never; not together with the others)',
  ],
};

export const command: Command = defineCommand({
  summary: "Edit policy",
  description: "The editor is $VISUAL or $EDITOR.",
  flags: TARGET_FLAGS,
  arguments: TARGET_ARGUMENTS,
  async run(context, flags, args) {
    const { signal, log } = context;
    await using repository = await context.openRepository();
    const { manifests } = repository;
    for (const target of await policyTargets(repository, flags.global, args, { signal })) {
      const name = formatPolicyTarget(target);
      const stored = await getPolicy(manifests, target, { signal });
      const original = stored?.policy ?? EMPTY_POLICY;
      log.info(`Editing policy for ${name} using external editor...`);
      const updated = await edit(context, target, original);
      if (pretty(updated) === pretty(original)) {
        log.info(`Policy for ${name} unchanged`);
        continue;
      }
      log.info(`Updated policy for ${name}\n${pretty(updated)}`);
      const answer = await askLine(context, "Save updated policy? (y/N) ");
      if (/^y/i.test(answer ?? "")) await setPolicy(manifests, target, updated, { signal });
    }
    await repository.flush({ signal });
    return 0;
  },
});

async function edit(
  context: CommandContext,
  target: PolicyTarget,
  original: Policy,
): Promise<Policy> {
  const known = new Set(unknownPolicyMembers(encodePolicy(original)));
  return await editText(context, FILE_NAME, textFor(target, original), (text) => {
    const json = parseJsonText(text, "the policy");
    const policy = policyFromJson(json, "the policy", (member) => known.has(member));
    checkPolicy(target, policy);
    return policy;
  });
}

function textFor(target: PolicyTarget, policy: Policy): string {
  const intro = [
    "",
    `# Editing policy for '${formatPolicyTarget(target)}'`,
    "",
    "# Change the policy, save the file and leave the editor. The text must be valid JSON.",
    "# Lines that start with # are comments and are removed.",
    "",
  ];
  const lines = pretty(policy)
    .split("\n")
    .flatMap((line) => {
      const help = HELP[/^ {2}"(\w+)": \{/.exec(line)?.[1] ?? ""] ?? [];
      return help.length === 0 ? [line] : ["", ...help.map((text) => `  # ${text}`), line];
    });
  return [...intro, ...lines, ""].join("\n");
}

function pretty(policy: Policy): string {
  return jsonText(encodePolicy(policy), { json: true, jsonIndent: true });
}
