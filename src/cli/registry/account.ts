/** Commands of sealed accounts and their devices. */
import type { RegisteredCommand } from "./types.ts";

export const ACCOUNT_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "account password",
    summary: "Change the password of this sealed account",
    load: () => import("../cmd/account-password.ts"),
  },
  {
    path: "account recovery-kit",
    summary: "Write the recovery kit of this sealed account once more",
    load: () => import("../cmd/account-recovery-kit.ts"),
  },
  {
    path: "account rekey",
    summary: "Give this sealed account new keys",
    load: () => import("../cmd/account-rekey.ts"),
  },
  {
    path: "account show",
    summary: "Show this sealed account: who can read what it stores, and what this device keeps",
    load: () => import("../cmd/account-show.ts"),
  },
  {
    path: "device list",
    summary: "List the devices of this sealed account",
    load: () => import("../cmd/device-list.ts"),
  },
  {
    path: "device rename",
    summary: "Rename a device of this sealed account",
    load: () => import("../cmd/device-rename.ts"),
  },
  {
    path: "device revoke",
    summary: "Revoke a device of this sealed account",
    load: () => import("../cmd/device-revoke.ts"),
  },
];
