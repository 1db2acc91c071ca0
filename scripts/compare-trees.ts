/** Compares two trees entry by entry: names, kinds, bytes, modes, owners, times to the nanosecond, link targets. */
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface TreeComparison {
  /** Entries looked at, the top not counted. */
  readonly compared: number;
  /** One line each: the path and what differs. */
  readonly differences: readonly string[];
}

const SLASH = Buffer.from("/");

/** Names are bytes here: not every name is text. Sockets, FIFOs and devices are passed over, no backup holds them. */
export function compareTrees(expected: string, actual: string): TreeComparison {
  const differences: string[] = [];
  let compared = 0;
  const pending: { readonly a: Buffer; readonly b: Buffer }[] = [
    { a: Buffer.from(expected), b: Buffer.from(actual) },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const names = new Map(
      readdirSync(next.a, { encoding: "buffer" }).map((name) => [name.toString("latin1"), name]),
    );
    for (const name of readdirSync(next.b, { encoding: "buffer" })) {
      if (!names.has(name.toString("latin1")))
        differences.push(`${join(next.b, name).toString()}: only in the restored tree`);
    }
    for (const name of names.values()) {
      const a = join(next.a, name);
      const b = join(next.b, name);
      const stat = lstatSync(a, { bigint: true });
      if (!stat.isDirectory() && !stat.isFile() && !stat.isSymbolicLink()) continue;
      compared++;
      const after = lstatSync(b, { bigint: true, throwIfNoEntry: false });
      const difference = compareEntries(a, stat, b, after);
      if (difference !== undefined) differences.push(`${a.toString()}: ${difference}`);
      if (stat.isDirectory() && after?.isDirectory() === true) pending.push({ a, b });
    }
  }
  return { compared, differences };
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, SLASH, name]);
}

function compareEntries(
  a: Buffer,
  before: BigIntStats,
  b: Buffer,
  after: BigIntStats | undefined,
): string | undefined {
  if (after === undefined) return "missing";
  if (before.mode !== after.mode && !before.isSymbolicLink())
    return `mode ${before.mode.toString(8)}, restored ${after.mode.toString(8)}`;
  if (before.uid !== after.uid || before.gid !== after.gid)
    return `owner ${before.uid}:${before.gid}, restored ${after.uid}:${after.gid}`;
  if (before.mtimeNs !== after.mtimeNs) return `time ${before.mtimeNs}, restored ${after.mtimeNs}`;
  if (before.isSymbolicLink()) {
    return readlinkSync(a, { encoding: "buffer" }).equals(readlinkSync(b, { encoding: "buffer" }))
      ? undefined
      : "link target";
  }
  if (before.isFile() && before.size !== after.size)
    return `${before.size} bytes, restored ${after.size}`;
  if (before.isFile() && !readFileSync(a).equals(readFileSync(b))) return "bytes";
  return undefined;
}
