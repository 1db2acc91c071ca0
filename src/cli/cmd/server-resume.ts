/** `server resume`: ends a pause. */
import { sourceActionCommand } from "../shared/server-source-action.ts";

export const command = sourceActionCommand(
  "Resume the scheduled snapshots for one or more sources",
  "resume-source",
);
