/**
 * The newest head of every chain that this device has seen: a past that went back, forked or was signed by a stranger
 * is noticed. What may be missing is what the account itself says was deleted, and what a newer head of the same source
 * had seen, which retention may have removed since. Spec: sealed 10.
 */
import { bytesToBase64Url } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  chainOf,
  type DeletedHeads,
  type KeyringDevice,
  type OpenedHead,
} from "../sealed/index.ts";

export interface SeenHead {
  readonly seq: number;
  /** Hex of SHA-256 over `head.json`. */
  readonly sha256: string;
}

/** A head that has to be there and is not. */
export interface MissingHead {
  readonly chain: string;
  readonly seq: number;
  /** The beginning of its hash; empty where only its number is known. */
  readonly sha256: string;
  /** The newest of its chain that is shown; 0: none is. */
  readonly shown: number;
  /** Who says that it was there: this device, or the head of another one. */
  readonly witness: string;
}

/** What the account, or this device's user, has said may be missing, by chain. */
export type Deletions = ReadonlyMap<string, DeletedHeads>;

export interface HeadMemoryJson {
  readonly heads: Record<string, SeenHead>;
  readonly accepted: Record<string, DeletedHeads>;
}

const NONE: Deletions = new Map();
const HASH_SHOWN = 16;

export class HeadMemory {
  readonly #heads: Map<string, SeenHead>;
  /** Losses that the user of this device has accepted. */
  readonly #accepted: Map<string, DeletedHeads>;
  #isChanged = false;

  constructor(
    heads: Readonly<Record<string, SeenHead>> = {},
    accepted: Readonly<Record<string, DeletedHeads>> = {},
  ) {
    this.#heads = new Map(Object.entries(heads));
    this.#accepted = new Map(Object.entries(accepted));
  }

  /** By chain, for storing. */
  toJson(): HeadMemoryJson {
    return {
      heads: Object.fromEntries(this.#heads),
      accepted: Object.fromEntries(this.#accepted),
    };
  }

  /** Something was learned since it was made or `saved`. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  saved(): void {
    this.#isChanged = false;
  }

  newest(chain: string): SeenHead | undefined {
    return this.#heads.get(chain);
  }

  /** Chains of this source, `user@host:/sealed/…`; of all sources without one. */
  chains(source?: string): readonly string[] {
    return [...this.#heads.keys()].filter(
      (chain) => source === undefined || sourceOfChain(chain) === source,
    );
  }

  /** What a new head of `except` says of the account's other chains. */
  seenExcept(except: string): Record<string, string> {
    const seen: Record<string, string> = {};
    for (const [chain, { seq, sha256 }] of this.#heads)
      if (chain !== except) seen[chain] = `${seq}:${sha256.slice(0, HASH_SHOWN)}`;
    return seen;
  }

  /** A head of our own, once its snapshot is durable. */
  advance(chain: string, head: SeenHead): void {
    this.#set(chain, head);
  }

  /** What the keyring or another process of this device has seen; the higher number of each chain stays. */
  merge({ heads, accepted }: Partial<HeadMemoryJson>): void {
    for (const [chain, head] of Object.entries(heads ?? {}))
      if (head.seq > (this.#heads.get(chain)?.seq ?? 0)) this.#set(chain, head);
    for (const [chain, one] of Object.entries(accepted ?? {}))
      if (one.upTo > (this.#accepted.get(chain)?.upTo ?? 0)) this.#accepted.set(chain, one);
  }

  /** @throws SEJF_CORRUPT for two heads with one number. */
  check(opened: readonly OpenedHead[]): void {
    const shown = new Map<string, OpenedHead>();
    for (const one of opened) {
      const chain = chainOfHead(one);
      const twin = shown.get(`${chain} ${one.head.seq}`);
      if (twin !== undefined && twin.sha256 !== one.sha256)
        throw forked(chain, one.head.seq, twin.sha256, one.sha256);
      shown.set(`${chain} ${one.head.seq}`, one);
      const known = this.#heads.get(chain);
      if (known?.seq === one.head.seq && known.sha256 !== one.sha256)
        throw forked(chain, known.seq, known.sha256, one.sha256);
    }
    for (const { head } of opened)
      for (const [chain, seen] of Object.entries(head.seen)) {
        const { seq, prefix } = parseSeen(seen);
        const one = shown.get(`${chain} ${seq}`);
        if (one !== undefined && !one.sha256.startsWith(prefix))
          throw forked(chain, seq, prefix, one.sha256);
      }
  }

  /**
   * What is not shown of the sources asked for, and has to be. `opened`: at least the newest head of each of them; more
   * of them can only make the list shorter.
   */
  missing(
    isAsked: (source: string) => boolean,
    opened: readonly OpenedHead[],
    deletions: Deletions = NONE,
  ): readonly MissingHead[] {
    const shown = new Map<string, number>();
    for (const one of opened) {
      const chain = chainOfHead(one);
      shown.set(chain, Math.max(shown.get(chain) ?? 0, one.head.seq));
    }
    return this.#expected(isAsked, opened).flatMap((one): readonly MissingHead[] => {
      const { chain } = one;
      const needed = this.#needed(one, deletions);
      const newest = shown.get(chain) ?? 0;
      if (newest >= needed || isSuperseded(chain, needed, opened)) return [];
      const sha256 = needed === one.seq ? one.sha256 : "";
      return [{ ...one, seq: needed, sha256, shown: newest }];
    });
  }

  /** After a check: remembers what was shown. */
  learn(opened: readonly OpenedHead[]): void {
    for (const one of opened) {
      const chain = chainOfHead(one);
      const { head, sha256 } = one;
      if (head.seq > (this.#heads.get(chain)?.seq ?? 0))
        this.#set(chain, { seq: head.seq, sha256 });
    }
  }

  /** The user says that these are lost for a reason: up to them nothing more than what is shown has to be there. */
  accept(missing: readonly MissingHead[]): void {
    for (const { chain, seq, shown } of missing) {
      this.#accepted.set(chain, { upTo: seq, newest: shown });
      this.#isChanged = true;
    }
  }

  /** The user says that what is shown counts, whatever was there before with the same numbers. */
  believe(opened: readonly OpenedHead[]): void {
    for (const one of opened) {
      const known = this.#heads.get(chainOfHead(one));
      if (known?.seq === one.head.seq)
        this.#set(chainOfHead(one), { seq: known.seq, sha256: one.sha256 });
    }
  }

  #set(chain: string, head: SeenHead): void {
    this.#heads.set(chain, head);
    this.#isChanged = true;
  }

  /** What this device knows, and what others' heads say that they saw. */
  #expected(
    isAsked: (source: string) => boolean,
    opened: readonly OpenedHead[],
  ): readonly Omit<MissingHead, "shown">[] {
    const expected = new Map<string, Omit<MissingHead, "shown">>();
    for (const [chain, { seq, sha256 }] of this.#heads)
      if (isAsked(sourceOfChain(chain)))
        expected.set(chain, { chain, seq, sha256, witness: "this device" });
    for (const { head } of opened)
      for (const [chain, seen] of Object.entries(head.seen)) {
        const { seq, prefix } = parseSeen(seen);
        if (isAsked(sourceOfChain(chain)) && seq > (expected.get(chain)?.seq ?? 0))
          expected.set(chain, { chain, seq, sha256: prefix, witness: `device ${head.device}` });
      }
    return [...expected.values()];
  }

  /** The number that has to be there, after what was deleted. */
  #needed(
    { chain, seq }: { readonly chain: string; readonly seq: number },
    all: Deletions,
  ): number {
    for (const deleted of [all.get(chain), this.#accepted.get(chain)])
      if (deleted !== undefined && seq <= deleted.upTo) return deleted.newest;
    return seq;
  }
}

/** @throws SEJF_CORRUPT for a head of a device that the account does not have, or revoked before. */
export function assertDeviceMaySign(
  devices: readonly KeyringDevice[],
  { head, certificate }: OpenedHead,
): void {
  const device = devices.find((one) => one.id === certificate.id);
  const last = device?.revoked?.[head.source] ?? (device?.revoked === undefined ? undefined : 0);
  // Whoever has a key that the account had before could certify another device under its name.
  const isSame = device?.key === bytesToBase64Url(certificate.key);
  if (isSame && (last === undefined || head.seq <= last)) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    `snapshot ${head.seq} of ${head.source} is signed by device ${certificate.id}, which ${device === undefined || !isSame ? "is none of this account's" : "was revoked"}`,
    { hint: "`device list` shows the account's devices" },
  );
}

/** The loud error. */
export function rolledBack(missing: readonly MissingHead[]): SejfError {
  const lines = missing.map((one) => `  ${describeMissing(one)}`);
  return new SejfError(
    "SEJF_CORRUPT",
    `the repository went back: what was there before is not shown any more\n${lines.join("\n")}`,
    {
      hint: "it was restored from a backup, shows an old state, or somebody deleted snapshots without the account; `sejf repository audit` shows all; --accept-rollback accepts it",
    },
  );
}

/** Both heads, as far as they are known. */
export function describeMissing({ chain, seq, sha256, shown, witness }: MissingHead): string {
  const known = `${seq}${sha256 === "" ? "" : ` (${sha256.slice(0, HASH_SHOWN)})`}`;
  return `${chain}: ${witness} knows snapshot ${known}, the newest shown is ${shown === 0 ? "none" : shown}`;
}

/** `user@host:/sealed/…`. */
export function sourceOfChain(chain: string): string {
  return chain.slice(0, chain.lastIndexOf("#"));
}

function chainOfHead({ head }: OpenedHead): string {
  return chainOf(head.source, head.device);
}

/** A newer head of the source that had seen it: it need not be kept. */
function isSuperseded(chain: string, seq: number, opened: readonly OpenedHead[]): boolean {
  const source = sourceOfChain(chain);
  return opened.some(({ head }) => {
    const seen = head.source === source ? head.seen[chain] : undefined;
    return seen !== undefined && parseSeen(seen).seq >= seq;
  });
}

/** Checked by the head's decoder. */
function parseSeen(seen: string): { readonly seq: number; readonly prefix: string } {
  const colon = seen.indexOf(":");
  return { seq: Number(seen.slice(0, colon)), prefix: seen.slice(colon + 1) };
}

function forked(chain: string, seq: number, known: string, shown: string): SejfError {
  return new SejfError(
    "SEJF_CORRUPT",
    `two snapshots of ${chain} have the number ${seq}: ${known.slice(0, HASH_SHOWN)} is known, ${shown.slice(0, HASH_SHOWN)} is shown`,
    {
      hint: "the repository shows different pasts, or two copies of this device's files are in use; --accept-rollback accepts what is shown",
    },
  );
}
