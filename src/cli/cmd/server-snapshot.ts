/** `server snapshot`: a running server snapshots its own sources now. */
import { sourceActionCommand } from "../shared/server-source-action.ts";

export const command = sourceActionCommand(
  "Trigger an upload for one or more existing sources",
  "trigger-snapshot",
);
