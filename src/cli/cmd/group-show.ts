/** `group show`: everything about one group. */
import { groupNameOf, type GroupState, type JoinVerdict } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import {
  GROUP_ARGUMENT,
  groupJson,
  membersIn,
  roleIn,
  withGroups,
} from "../shared/group-command.ts";

interface Shown {
  readonly state: GroupState;
  readonly requests: readonly JoinVerdict[];
}

export const command: Command = defineCommand({
  summary: "Show the settings, members and requests of a group",
  flags: JSON_FLAGS,
  arguments: [GROUP_ARGUMENT],
  async run(context, flags, [name = ""]) {
    const shown = await withGroups(context, async (groups) => {
      const state = groups.find(name);
      const requests = state.isAdmin ? await groups.requests(name) : [];
      return { state, requests };
    });
    if (flags.json) context.out.line(jsonText(json(shown), flags));
    else for (const line of lines(shown)) context.out.line(line);
    return 0;
  },
});

function json({ state, requests }: Shown): Record<string, unknown> {
  const { opened, pin } = state;
  return {
    ...groupJson(state),
    params: opened?.group.params ?? null,
    invites: (pin.invites ?? []).map(({ expires, account, admin = false }) => ({
      expires,
      account: account ?? null,
      admin,
    })),
    requests: requests.map(({ join, doubt }) => ({ account: join.account, doubt: doubt ?? null })),
  };
}

function lines({ state, requests }: Shown): readonly string[] {
  const { opened, pin } = state;
  const basics = [
    `Name:         ${groupNameOf(pin)}`,
    `ID:           ${pin.id}`,
    `Epoch:        ${pin.epoch}`,
    `This account: ${roleIn(state)}`,
    `Used:         ${pin.used === true ? "yes" : "no"}`,
  ];
  if (opened === undefined) return basics;
  const { splitter, compression, compressionVersion, minSize, probe } = opened.group.params;
  return [
    ...basics,
    `Splitter:     ${splitter}`,
    `Compression:  ${compression} (${compressionVersion})`,
    `Minimum size: ${minSize} bytes`,
    `Probe:        ${probe}`,
    `Members:      ${membersIn(state)
      .map(({ account, role }) => (role === "admin" ? `${account} (admin)` : account))
      .join(" ")}`,
    ...(pin.invites ?? []).map(
      ({ expires, account, admin }) =>
        `Invitation:   until ${expires}${account === undefined ? "" : ` for ${account}`}${admin === true ? ", as an admin" : ""}`,
    ),
    ...requests.map(({ join, doubt }) => `Request:      ${join.account}: ${doubt ?? "proved"}`),
  ];
}
