/** `repository audit`: what the repository shows of a sealed account's past, beside what this device remembers. Spec: sealed 10. */
import { bytesToHex, utf8ToBytes } from "../../bytes/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import { chainOf, type KeyringDevice, type OpenedHead } from "../../sealed/index.ts";
import {
  describeMissing,
  type HeadAudit,
  type HeadMemory,
  type SeenHead,
  sourceOfChain,
} from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { withAccount } from "../shared/account-command.ts";

interface Chain {
  readonly source: string;
  readonly device: string;
  readonly deviceName: string;
  readonly known: SeenHead | null;
  readonly shown: SeenHead | null;
  readonly start: string | null;
}

export const command: Command = defineCommand({
  summary: "Check that the repository shows the whole past of this sealed account",
  description:
    "Shows the newest snapshot of each source and device as this device remembers it and as the repository shows it. Two devices to which the repository shows the same past print the same fingerprint: compare it by telephone. Exit status 1: something is missing, altered or signed by a stranger.",
  flags: JSON_FLAGS,
  async run(context, flags) {
    return await withAccount(context, async ({ heads, unlocked }, { repository }) => {
      const audit = await repository.audit({ signal: context.signal });
      const chains = chainsOf(heads, audit.opened, unlocked.keyring.devices);
      const fingerprint = fingerprintOf(chains);
      const missing = audit.missing.map((one) => describeMissing(one));
      if (flags.json) {
        const { problems } = audit;
        context.out.line(jsonText({ fingerprint, chains, missing, problems }, flags));
      } else tell(context, audit, chains, fingerprint);
      return audit.problems.length + missing.length === 0 ? 0 : 1;
    });
  },
});

/** What is known and what is shown, by source and device. */
function chainsOf(
  heads: HeadMemory,
  opened: readonly OpenedHead[],
  devices: readonly KeyringDevice[],
): readonly Chain[] {
  const shown = new Map<string, OpenedHead>();
  for (const one of opened) {
    const chain = chainOf(one.head.source, one.head.device);
    if (one.head.seq > (shown.get(chain)?.head.seq ?? 0)) shown.set(chain, one);
  }
  return [...new Set([...heads.chains(), ...shown.keys()])].toSorted().map((chain) => {
    const one = shown.get(chain);
    const device = chain.slice(chain.lastIndexOf("#") + 1);
    return {
      source: sourceOfChain(chain),
      device,
      deviceName: devices.find(({ id }) => id === device)?.name ?? "",
      known: heads.newest(chain) ?? null,
      shown: one === undefined ? null : { seq: one.head.seq, sha256: one.sha256 },
      start: one?.head.start ?? null,
    };
  });
}

/** Over the newest head of each chain that is shown. */
function fingerprintOf(chains: readonly Chain[]): string {
  const lines = chains.flatMap(({ source, device, shown }) =>
    shown === null ? [] : [`${source}#${device} ${shown.seq} ${shown.sha256}\n`],
  );
  const hex = bytesToHex(nodeCryptoEngine.sha256(utf8ToBytes(lines.join("")))).slice(0, 32);
  return (hex.match(/.{4}/g) as string[]).join("-");
}

function tell(
  { out, log }: CommandContext,
  { missing, problems }: HeadAudit,
  chains: readonly Chain[],
  fingerprint: string,
): void {
  for (const { source, device, deviceName, known, shown, start } of chains) {
    out.line(source);
    out.line(`  device ${device}${deviceName === "" ? "" : ` (${deviceName})`}`);
    out.line(`    known here: ${text(known)}`);
    out.line(`    shown:      ${text(shown)}${start === null ? "" : ` of ${start}`}`);
  }
  out.line(`Fingerprint of what is shown: ${fingerprint}`);
  for (const one of missing) log.error(`MISSING ${describeMissing(one)}`);
  for (const one of problems) log.error(`WRONG ${one}`);
  if (missing.length + problems.length === 0)
    log.info("Everything that this device remembers is there.");
}

function text(head: SeenHead | null): string {
  return head === null ? "none" : `snapshot ${head.seq} (${head.sha256.slice(0, 16)})`;
}
