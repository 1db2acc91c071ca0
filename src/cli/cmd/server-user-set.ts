/** `server user set`. */
import type { Command } from "../command.ts";
import { userCommand } from "../shared/user-command.ts";

export const command: Command = userCommand(
  false,
  "Set password and settings of a repository user",
);
