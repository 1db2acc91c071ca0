/** Commands on the repository server. */
import { SERVER_CONTROL_COMMANDS } from "./server-control.ts";
import type { RegisteredCommand } from "./types.ts";

const ACL_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "server acl add",
    summary: "Add ACL entry",
    load: () => import("../cmd/server-acl-add.ts"),
  },
  {
    path: "server acl delete",
    aliases: ["remove", "rm"],
    summary: "Delete ACL entry",
    load: () => import("../cmd/server-acl-delete.ts"),
  },
  {
    path: "server acl enable",
    summary: "Enable ACLs and install default entries",
    load: () => import("../cmd/server-acl-enable.ts"),
  },
  {
    path: "server acl list",
    aliases: ["ls"],
    summary: "List ACL entries",
    load: () => import("../cmd/server-acl-list.ts"),
  },
];

const USER_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "server user add",
    aliases: ["create"],
    summary: "Add new repository user",
    load: () => import("../cmd/server-user-add.ts"),
  },
  {
    path: "server user delete",
    aliases: ["remove", "rm"],
    summary: "Delete user",
    load: () => import("../cmd/server-user-delete.ts"),
  },
  {
    path: "server user hash-password",
    aliases: ["hash"],
    summary: "Hash a user password that can be passed to the 'server user add/set' command",
    load: () => import("../cmd/server-user-hash-password.ts"),
  },
  {
    path: "server user info",
    summary: "Info about particular user",
    load: () => import("../cmd/server-user-info.ts"),
  },
  {
    path: "server user list",
    aliases: ["ls"],
    summary: "List users",
    load: () => import("../cmd/server-user-list.ts"),
  },
  {
    path: "server user set",
    aliases: ["update"],
    summary: "Set password and settings of a repository user",
    load: () => import("../cmd/server-user-set.ts"),
  },
];

export const SERVER_COMMANDS: readonly RegisteredCommand[] = [
  ...ACL_COMMANDS,
  ...SERVER_CONTROL_COMMANDS,
  ...USER_COMMANDS,
];
