/** Commands of dedup groups of sealed accounts. */
import type { RegisteredCommand } from "./types.ts";

export const GROUP_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "group accept",
    summary: "Make members of those who joined with a code",
    load: () => import("../cmd/group-accept.ts"),
  },
  {
    path: "group create",
    summary: "Create a group of accounts whose equal data are stored once",
    load: () => import("../cmd/group-create.ts"),
  },
  {
    path: "group demote",
    summary: "Make an admin of a group a member like others",
    load: () => import("../cmd/group-demote.ts"),
  },
  {
    path: "group invite",
    summary: "Make a code with which one more account joins a group",
    load: () => import("../cmd/group-invite.ts"),
  },
  {
    path: "group join",
    summary: "Join a group with a code from one of its members",
    load: () => import("../cmd/group-join.ts"),
  },
  {
    path: "group leave",
    summary: "Leave a group",
    load: () => import("../cmd/group-leave.ts"),
  },
  {
    path: "group list",
    aliases: ["ls"],
    summary: "List the groups of this account",
    load: () => import("../cmd/group-list.ts"),
  },
  {
    path: "group members",
    summary: "List the members of a group, as its admin signed them",
    load: () => import("../cmd/group-members.ts"),
  },
  {
    path: "group remove",
    aliases: ["rm"],
    summary: "Remove an account from a group",
    load: () => import("../cmd/group-remove.ts"),
  },
  {
    path: "group rotate",
    summary: "Give a group a new secret",
    load: () => import("../cmd/group-rotate.ts"),
  },
  {
    path: "group show",
    summary: "Show the settings, members and requests of a group",
    load: () => import("../cmd/group-show.ts"),
  },
  {
    path: "group use",
    summary: "Choose the group for which new data are sealed",
    load: () => import("../cmd/group-use.ts"),
  },
];
