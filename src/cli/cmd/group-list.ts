/** `group list`: the groups of this account. */
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { groupNameOf } from "../../sealing/index.ts";
import { groupJson, roleIn, withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "List the groups of this account",
  flags: JSON_FLAGS,
  async run(context, flags) {
    const states = await withGroups(
      context,
      async (groups) => await Promise.resolve(groups.list()),
    );
    if (flags.json) {
      context.out.line(
        jsonText(
          states.map((state) => groupJson(state)),
          flags,
        ),
      );
      return 0;
    }
    if (states.length === 0)
      context.log.info(
        "This account is in no group. `sejf group create NAME` makes one, `sejf group join CODE` joins one.",
      );
    for (const state of states) {
      const { pin, opened } = state;
      const members = opened?.group.members.length;
      const count = members === undefined ? "" : `, ${members} member${members === 1 ? "" : "s"}`;
      const used = pin.used === true ? ", used" : "";
      context.out.line(
        `${groupNameOf(pin)}  ${pin.id}  epoch ${pin.epoch}, ${roleIn(state)}${count}${used}`,
      );
    }
    return 0;
  },
});
