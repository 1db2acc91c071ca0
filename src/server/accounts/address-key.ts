/** What throttling takes for one place: an IPv4 address, the 64-bit network of an IPv6 address, or the text as it is. */
import { isIPv6 } from "node:net";

const GROUPS = 8;
const NETWORK_GROUPS = 4;
const MAX_CHARACTERS = 64;

/** SECURITY: whoever has one IPv6 address mostly has 2^64 of them. */
export function addressKey(address: string): string {
  const [bare = ""] = address.split("%"); // the zone of a link-local address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped !== null) return mapped[1] as string;
  if (!isIPv6(bare)) return address.slice(0, MAX_CHARACTERS);
  const [left = "", right] = bare.split("::");
  const before = groupsOf(left);
  const after = right === undefined ? [] : groupsOf(right);
  const zeros = Array.from<string>({ length: Math.max(0, GROUPS - before.length - after.length) });
  const all = [...before, ...zeros.fill("0"), ...after];
  const network = all.slice(0, NETWORK_GROUPS).map((group) => Number.parseInt(group, 16));
  return `${network.map((group) => group.toString(16)).join(":")}::/64`;
}

/** An IPv4 tail, which counts as two groups, is never in the first four of an address. */
function groupsOf(text: string): readonly string[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
}
