/** `index epoch list`: the epochs with their index blobs, newest first. Reference: kopia cli/command_index_epoch_list.go. */
import { formatDuration } from "../../bytes/index.ts";
import type { BlobMetadata } from "../../blob/index.ts";
import type { EpochState } from "../../content/index.ts";
import { SejfError } from "../../errors/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { formatBytes } from "../output/units.ts";

const SECOND_NS = 1_000_000_000n;

export const command: Command = defineCommand({
  summary: "List the status of epochs",
  flags: {},
  async run(context) {
    await using repository = await context.openDirectRepository();
    const state = await repository.contents.epochState({ signal: context.signal });
    if (state === undefined)
      throw new SejfError("SEJF_UNSUPPORTED", "this repository has no epochs", {
        hint: "epochs come with format version 2; see index list",
      });
    const { out } = context;
    out.line(`Current Epoch: ${state.writeEpoch}`);
    if (state.writeEpochStart !== undefined)
      out.line(`Epoch Started  ${context.time(state.writeEpochStart)}`);
    tellEpochs(context, state);
    for (const { from, to, blobs } of state.ranges)
      out.line(`${from}-${to}: range, ${blobs.length} blobs, ${formatBytes(totalBytes(blobs))}`);
    return 0;
  },
});

/** Epochs that are in a range are told of as a range. */
function tellEpochs(context: CommandContext, state: EpochState): void {
  const { out } = context;
  const first = (state.ranges.at(-1)?.to ?? -1) + 1;
  for (let epoch = state.writeEpoch + 1; epoch >= first; epoch--) {
    const uncompacted = state.uncompactedSets.find((set) => set.epoch === epoch);
    if (uncompacted !== undefined) out.line(uncompactedLine(context, epoch, uncompacted.blobs));
    const single = state.singleSets.find((set) => set.epoch === epoch);
    const time = single?.blobs[0]?.timestamp;
    if (single === undefined || time === undefined) continue;
    const size = formatBytes(totalBytes(single.blobs));
    out.line(`${epoch}: ${context.time(time)} single-epoch ${single.blobs.length} blobs, ${size}`);
  }
}

function uncompactedLine(
  context: CommandContext,
  epoch: number,
  blobs: readonly BlobMetadata[],
): string {
  const times = blobs.map((blob) => blob.timestamp).toSorted((a, b) => (a < b ? -1 : 1));
  const [from = 0n, to = 0n] = [times[0], times.at(-1)];
  const span = ((to - from + SECOND_NS / 2n) / SECOND_NS) * SECOND_NS;
  return `${epoch} ${context.time(from)} ... ${context.time(to)}, ${blobs.length} blobs, ${formatBytes(totalBytes(blobs))}, span ${formatDuration(span)}`;
}

function totalBytes(blobs: readonly BlobMetadata[]): number {
  return blobs.reduce((sum, blob) => sum + blob.lengthBytes, 0);
}
