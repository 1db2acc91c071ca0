/** What a device holds of one sealed account, and what it is good for. Spec: sealed 3. */
import type { OwnedBytes } from "../bytes/index.ts";
import type { GroupParams, KnownGroup } from "../sealed/index.ts";
import type { FormerKeys } from "./former-keys.ts";

/** The group whose secret new chunks are sealed under. */
export interface DeviceGroup extends KnownGroup {
  readonly secret: OwnedBytes;
  readonly params: GroupParams;
}

/** Everything that writing needs. Never logged, never in an error. */
export interface DeviceSecrets {
  /** `user@host`. */
  readonly account: string;
  /** `age1pq1…`. */
  readonly recipient: string;
  /** Further recipients of every snapshot. */
  readonly escrow: readonly string[];
  readonly accountKey: OwnedBytes;
  readonly privateSecret: OwnedBytes;
  /** Ed25519 public key of the account: what its devices' certificates are checked with. */
  readonly accountSigningKey: OwnedBytes;
  readonly device: {
    /** 8 bytes as hex. */
    readonly id: string;
    readonly name: string;
    /** Ed25519 seed. */
    readonly seed: OwnedBytes;
    /** Signed by the account, newline included. */
    readonly certificate: string;
  };
  readonly keyringVersion: number;
  /** Of the time before the account was given new keys, the newest first; absent: there was none. */
  readonly former?: readonly FormerKeys[] | undefined;
  readonly group?: DeviceGroup | undefined;
}

/** What reading needs beside: asked for when it is, kept in memory. */
export interface AccountOpener {
  /** `AGE-SECRET-KEY-PQ-1…`. @throws SEJF_INVALID_PASSWORD; SEJF_CANCELLED when nobody can be asked. */
  identity(): Promise<string>;
  /** Ed25519 seed of the account, for policies and certificates. @throws as `identity`. */
  signingSeed(): Promise<OwnedBytes>;
  /** Those of the time before the account was given new keys. @throws as `identity`. */
  formerIdentities?(): Promise<readonly string[]>;
}

/** `user` and `host`. */
export function splitAccount(account: string): readonly [username: string, hostname: string] {
  const at = account.indexOf("@");
  return [account.slice(0, at), account.slice(at + 1)];
}
