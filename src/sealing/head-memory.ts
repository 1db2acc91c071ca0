/**
 * The newest head of every chain that this device has seen: a past that went back, forked or was signed by a stranger
 * is noticed. Spec: sealed 10.
 */
import type { KeyringDevice, OpenedHead } from "../sealed/index.ts";
import { chainOf } from "../sealed/index.ts";
import { SejfError } from "../errors/index.ts";

export interface SeenHead {
  readonly seq: number;
  /** Hex of SHA-256 over `head.json`. */
  readonly sha256: string;
}

export class HeadMemory {
  readonly #heads: Map<string, SeenHead>;

  constructor(heads: Readonly<Record<string, SeenHead>> = {}) {
    this.#heads = new Map(Object.entries(heads));
  }

  /** By chain, for storing. */
  toJson(): Record<string, SeenHead> {
    return Object.fromEntries(this.#heads);
  }

  newest(chain: string): SeenHead | undefined {
    return this.#heads.get(chain);
  }

  /** What a new head of `except` says of the account's other chains. */
  seenExcept(except: string): Record<string, string> {
    const seen: Record<string, string> = {};
    for (const [chain, { seq, sha256 }] of this.#heads)
      if (chain !== except) seen[chain] = `${seq}:${sha256.slice(0, 16)}`;
    return seen;
  }

  /** A head of our own, once its snapshot is durable. */
  advance(chain: string, head: SeenHead): void {
    this.#heads.set(chain, head);
  }

  /**
   * All heads of one source as the repository shows them now. @throws SEJF_CORRUPT for a newest head that went back,
   * two heads with one number, and for what a head claims to have seen and is not there.
   */
  check(opened: readonly OpenedHead[]): void {
    const shown = new Map<string, OpenedHead>();
    for (const one of opened) {
      const chain = chainOf(one.head.source, one.head.device);
      const key = `${chain} ${one.head.seq}`;
      const twin = shown.get(key);
      if (twin !== undefined && twin.sha256 !== one.sha256)
        throw rollback(`two snapshots of ${chain} have the number ${one.head.seq}`, twin, one);
      shown.set(key, one);
      const known = this.#heads.get(chain);
      if (known?.seq === one.head.seq && known.sha256 !== one.sha256)
        throw rollback(`snapshot ${known.seq} of ${chain} was replaced`, known, one);
    }
    for (const [chain, newest] of newestByChain(opened)) {
      const known = this.#heads.get(chain);
      if (known !== undefined && newest.head.seq < known.seq)
        throw rollback(`the newest snapshot of ${chain} went back`, known, newest);
    }
  }

  /** After a check: remembers what was shown. */
  learn(opened: readonly OpenedHead[]): void {
    for (const [chain, { head, sha256 }] of newestByChain(opened)) {
      const known = this.#heads.get(chain);
      if (known === undefined || head.seq > known.seq)
        this.#heads.set(chain, { seq: head.seq, sha256 });
    }
  }

  /** Whoever restored the server has to say so: everything that is shown from now on is believed once. */
  forget(): void {
    this.#heads.clear();
  }
}

/** @throws SEJF_CORRUPT for a head of a device that the account does not have, or revoked before. */
export function assertDeviceMaySign(
  devices: readonly KeyringDevice[],
  { head, certificate }: OpenedHead,
): void {
  const device = devices.find((one) => one.id === certificate.id);
  const last = device?.revoked?.[head.source] ?? (device?.revoked === undefined ? undefined : 0);
  if (device !== undefined && (last === undefined || head.seq <= last)) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `snapshot ${head.seq} of ${head.source} is signed by device ${certificate.id}, which ${device === undefined ? "is none of this account's" : "was revoked"}`,
    { hint: "`device list` shows the account's devices" },
  );
}

function newestByChain(opened: readonly OpenedHead[]): ReadonlyMap<string, OpenedHead> {
  const newest = new Map<string, OpenedHead>();
  for (const one of opened) {
    const chain = chainOf(one.head.source, one.head.device);
    const other = newest.get(chain);
    if (other === undefined || one.head.seq > other.head.seq) newest.set(chain, one);
  }
  return newest;
}

function rollback(what: string, known: SeenHead | OpenedHead, shown: OpenedHead): SejfError {
  const seq = "head" in known ? known.head.seq : known.seq;
  return new SejfError(
    "SEJF_CORRUPT",
    `${what}: this device knows ${seq} (${known.sha256.slice(0, 16)}), the repository shows ${shown.head.seq} (${shown.sha256.slice(0, 16)})`,
    {
      hint: "the server was restored from a backup, or shows an old state; --accept-rollback accepts it",
    },
  );
}
