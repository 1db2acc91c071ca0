/** `server acl add`: who gets which level on what. Reference: kopia cli/command_acl_add.go. */
import { ACCESS_LEVELS, addAclEntry, parseAclTarget } from "../../server/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, flag, text } from "../flags.ts";
import { usageError } from "../usage-error.ts";

export const command: Command = defineCommand({
  summary: "Add ACL entry",
  description:
    "As soon as there is one entry, nothing is allowed but what entries grant; `server acl enable` begins with the usual ones. Entries only ever grant: one with NONE takes nothing away.",
  flags: {
    user: text("User the ACL targets: name@host, either side may be *", { required: true }),
    target: text("Manifests targeted by the rule (type=T,key1=value1,...,keyN=valueN)", {
      required: true,
    }),
    access: choice("Access the user gets to subject", ACCESS_LEVELS),
    overwrite: flag("Overwrite existing rule with the same user and target"),
  },
  async run(context, flags) {
    const { signal } = context;
    const { user, access, overwrite } = flags;
    if (access === undefined) throw usageError("required flag --access not provided");
    const target = parseAclTarget(flags.target);
    await using repository = await context.openDirectRepository();
    await addAclEntry(repository.manifests, { user, target, access }, { signal, overwrite });
    await repository.flush({ signal });
    return 0;
  },
});
