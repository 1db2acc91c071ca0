/** `server pause`: no scheduled snapshots of these sources until they are resumed. */
import { sourceActionCommand } from "../shared/server-source-action.ts";

export const command = sourceActionCommand(
  "Pause the scheduled snapshots for one or more sources",
  "pause-source",
);
