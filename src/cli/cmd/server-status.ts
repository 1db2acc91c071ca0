/** `server status`: the sources of a running server. Reference: kopia cli/command_server_status.go. */
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { CONTROL_FLAGS, ControlClient } from "../shared/control-client.ts";

interface SourcesAnswer {
  readonly sources?:
    | readonly {
        readonly status: string;
        readonly source: {
          readonly host: string;
          readonly userName: string;
          readonly path: string;
        };
      }[]
    | null;
}

export const command: Command = defineCommand({
  summary: "Status of a running server: its sources",
  flags: { remote: flag("Show remote sources"), ...CONTROL_FLAGS },
  async run(context, flags) {
    const answer = (await new ControlClient(context, flags).get("sources")) as SourcesAnswer;
    for (const { status, source } of answer.sources ?? []) {
      if (status === "REMOTE" && !flags.remote) continue;
      context.out.line(`${status}: ${source.userName}@${source.host}:${source.path}`);
    }
    return 0;
  },
});
