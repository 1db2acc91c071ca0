/** `repository throttle get`: the limits of this connection. */
import { loadConfig, throttlingJson, throttlingOf } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { formatBytesPerSecond } from "../output/units.ts";

const LABEL_WIDTH = 30;

export const command: Command = defineCommand({
  summary: "Get throttling parameters for a repository",
  flags: JSON_FLAGS,
  async run(context, flags) {
    const limits = throttlingOf(await loadConfig(context.configFile, context.env));
    if (flags.json) {
      context.out.line(jsonText(throttlingJson(limits), flags));
      return 0;
    }
    const show = (
      label: string,
      value: number | undefined,
      format: (value: number) => string = (n) => n.toFixed(0),
    ): void => {
      context.out.line(
        `${label.padEnd(LABEL_WIDTH)} ${value === undefined || value === 0 ? "(unlimited)" : format(value)}`,
      );
    };
    show("Max Download Speed:", limits.maxDownloadSpeedBytesPerSecond, formatBytesPerSecond);
    show("Max Upload Speed:", limits.maxUploadSpeedBytesPerSecond, formatBytesPerSecond);
    show("Max Read Requests Per Second:", limits.readsPerSecond);
    show("Max Write Requests Per Second:", limits.writesPerSecond);
    show("Max List Requests Per Second:", limits.listsPerSecond);
    show("Max Concurrent Reads:", limits.concurrentReads);
    show("Max Concurrent Writes:", limits.concurrentWrites);
    return 0;
  },
});
