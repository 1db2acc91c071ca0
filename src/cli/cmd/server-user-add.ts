/** `server user add`. */
import type { Command } from "../command.ts";
import { userCommand } from "../shared/user-command.ts";

export const command: Command = userCommand(true, "Add new repository user");
