/**
 * The two manifests of an account: Kopia's profile with the password, and ours with what Kopia does not know, so that a
 * kopia which rewrites the profile keeps it. SECURITY: the name is that of the label, always; the one in the JSON, which
 * the account may have written itself, is never looked at. Labels with anything more than the exact pairs are no profile.
 */
import * as z from "zod";
import { bytesToBase64 } from "../../bytes/index.ts";
import type { Labels } from "../../manifest/index.ts";
import type { AccountName, EncryptionMode } from "../types.ts";
import { isAccountName, partsOfName } from "./account-name.ts";
import { decodePasswordHash } from "./password-hash.ts";
import type { PasswordHash, StoredAccount } from "./types.ts";

export const PROFILE_TYPE = "user";
export const SETTINGS_TYPE = "sejfAccount";
/** What else there is of a sealed account, each with its name as `username`. */
export const SEALED_TYPES = [
  "sejfAccountCode",
  "sejfAccountLogin",
  "sejfAccountDevice",
  "sejfAccountSession",
  "sejfAccountDocument",
] as const;

/** What Kopia does not know of an account. */
export interface AccountSettings {
  readonly appendOnly: boolean;
  readonly encryption: EncryptionMode;
  readonly quotaBytes: number | undefined;
}

export const DEFAULT_SETTINGS: AccountSettings = {
  appendOnly: false,
  encryption: "server",
  quotaBytes: undefined,
};

const PROFILE = z.object({
  passwordHashVersion: z.number().optional(),
  passwordHash: z.string().nullish(),
});
const SETTINGS = z.object({
  appendOnly: z.boolean().default(false),
  encryption: z.enum(["server", "client"]).default("server"),
  quotaBytes: z.int().nonnegative().optional(),
});

export function accountLabels(type: string, name: AccountName): Labels {
  return { type, username: name };
}

/** The account that the manifest is of; `undefined` unless the labels are exactly those of such a manifest. */
export function nameOfLabels(labels: Labels): AccountName | undefined {
  const name = labels["username"];
  return Object.keys(labels).length === 2 &&
    Object.hasOwn(labels, "type") &&
    name !== undefined &&
    isAccountName(name)
    ? name
    : undefined;
}

/** In Kopia's order of members. */
export function encodeProfile(name: AccountName, { version, saltAndKey }: PasswordHash): object {
  return {
    username: name,
    passwordHashVersion: version,
    passwordHash: bytesToBase64(saltAndKey),
  };
}

/** `undefined` for a profile that lets nobody in. */
export function decodeProfile(data: unknown): PasswordHash | undefined {
  const { data: profile } = PROFILE.safeParse(data);
  return profile === undefined
    ? undefined
    : decodePasswordHash(profile.passwordHashVersion, profile.passwordHash);
}

export function encodeSettings(settings: AccountSettings): object {
  const { appendOnly, encryption, quotaBytes } = settings;
  return { appendOnly, encryption, ...(quotaBytes === undefined ? {} : { quotaBytes }) };
}

/** `undefined` for what cannot be understood. */
export function decodeSettings(data: unknown): AccountSettings | undefined {
  const { data: settings } = SETTINGS.safeParse(data);
  return settings === undefined ? undefined : { ...settings, quotaBytes: settings.quotaBytes };
}

export interface ReadAccount {
  /** `undefined`: none is stored. */
  readonly profile: unknown;
  readonly settings: unknown;
}

export function toAccount(name: AccountName, { profile, settings }: ReadAccount): StoredAccount {
  const decoded = settings === undefined ? DEFAULT_SETTINGS : decodeSettings(settings);
  const problem = problemOf(decoded);
  // SECURITY: a profile that a kopia wrote for a sealed account lets nobody in.
  const isSealed = decoded?.encryption === "client";
  const password = profile === undefined || isSealed ? undefined : decodeProfile(profile);
  return {
    name,
    ...partsOfName(name),
    ...(decoded ?? DEFAULT_SETTINGS),
    ...(problem === undefined ? {} : { appendOnly: true }),
    password: problem === undefined ? password : undefined,
    problem:
      problem ??
      (profile !== undefined && password === undefined && !isSealed
        ? "its password is stored in a way that never matches"
        : undefined),
  };
}

/** What is not understood must not let anybody in with more rights than the operator meant. */
function problemOf(settings: AccountSettings | undefined): string | undefined {
  return settings === undefined ? "its settings are damaged, or of a newer program" : undefined;
}
