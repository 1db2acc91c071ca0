/** The commands that tell a server to do something with its sources. Reference: kopia cli/command_server_source_manager_action.go. */
import { resolve } from "node:path";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { usageError } from "../usage-error.ts";
import { CONTROL_FLAGS, ControlClient } from "./control-client.ts";

/** `endpoint` below `control/`. */
export function sourceActionCommand(summary: string, endpoint: string): Command {
  return defineCommand({
    summary,
    flags: { all: flag("All paths managed by server"), ...CONTROL_FLAGS },
    arguments: [{ name: "source", help: "Source path managed by server" }],
    async run(context, flags, [source]) {
      if (!flags.all && source === undefined) throw usageError("must specify source or --all");
      const query =
        flags.all || source === undefined ? "" : `?path=${encodeURIComponent(resolve(source))}`;
      const client = new ControlClient(context, flags);
      const answer = (await client.post(endpoint + query)) as {
        readonly sources?: Readonly<Record<string, { readonly success?: boolean }>>;
      };
      for (const [name, result] of Object.entries(answer.sources ?? {})) {
        if (result.success === true) context.log.info(`Success ${name}`);
        else context.log.warn(`Failed ${name}`);
      }
      return 0;
    },
  });
}
