/** One line of the list of commands. */
import type { Command } from "../command.ts";

export interface RegisteredCommand {
  /** `repository create filesystem`. */
  readonly path: string;
  /** Other words for the last part of the path. */
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Not in the list of commands. */
  readonly hidden?: boolean;
  readonly load: () => Promise<{ readonly command: Command }>;
}
