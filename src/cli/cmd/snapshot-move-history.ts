/** `snapshot move-history`. Reference: kopia cli/command_snapshot_copy_move_history.go. */
import type { Command } from "../command.ts";
import { historyCommand } from "../shared/history-command.ts";

export const command: Command = historyCommand("move");
