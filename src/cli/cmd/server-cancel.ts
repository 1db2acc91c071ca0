/** `server cancel`: uploads of a running server's own sources. */
import { sourceActionCommand } from "../shared/server-source-action.ts";

export const command = sourceActionCommand(
  "Cancels in-progress uploads for one or more sources",
  "cancel-snapshot",
);
