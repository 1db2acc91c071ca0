/**
 * The manifests behind the records, both ways. SECURITY: whose a manifest is say its labels, which no client can choose:
 * clients write no type that begins with `sejf`. What cannot be understood counts as not there.
 */
import * as z from "zod";
import {
  bytesToBase64Url,
  base64UrlToBytes,
  formatTimestamp,
  parseTimestamp,
} from "../../bytes/index.ts";
import type { Labels, Manifest, ManifestId } from "../../manifest/index.ts";
import { isAccountName } from "../accounts/index.ts";
import type { AccountName } from "../types.ts";
import type {
  CodeRecord,
  DeviceRecord,
  DocumentRecord,
  GroupRecord,
  InviteRecord,
  JoinRecord,
  LoginRecord,
  SessionRecord,
  SetupRecord,
} from "./record-types.ts";

export const TYPES = {
  setup: "sejfServer",
  code: "sejfAccountCode",
  login: "sejfAccountLogin",
  device: "sejfAccountDevice",
  session: "sejfAccountSession",
  document: "sejfAccountDocument",
  group: "sejfGroup",
  invite: "sejfInvite",
  join: "sejfJoin",
} as const;

const KEY_BYTES = 32;

const hex = (bytes: number): z.ZodString =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
const time = z.string().refine((text) => msOf(text) !== undefined);
const accountName = z.string().refine((text) => isAccountName(text));
const version = z.literal(1);

const SETUP = z.object({ v: version, opaqueSetup: z.string().min(100) });
const CODE = z.object({ v: version, codeSha256: hex(32), expires: time });
const LOGIN = z.object({
  v: version,
  setup: hex(16),
  login: z.string(),
  delete: z.string().optional(),
  recipient: z.string(),
  signingKey: z.string(),
  escrow: z.array(z.string()).default([]),
  enrolled: time,
  reset: time.optional(),
});
const DEVICE = z.object({
  v: version,
  name: z.string(),
  certificate: z.string(),
  added: time,
  scope: z.enum(["device", "reader"]),
  tokenSha256: hex(32),
  revoked: time.optional(),
});
const SESSION = z.object({ v: version, tokenSha256: hex(32), expires: time, login: hex(16) });
const DOCUMENT = z.object({ v: version, text: z.string() });
const GROUP = z.object({
  v: version,
  file: z.string(),
  members: z.array(accountName),
  admins: z.array(accountName),
  probe: z.enum(["group", "own"]),
  keep: z.boolean().default(false),
});
const INVITE = z.object({
  v: version,
  group: hex(16),
  by: accountName,
  expires: time,
  nonce: z.string(),
  ct: z.string(),
});
const JOIN = z.object({
  v: version,
  group: hex(16),
  recipient: z.string(),
  mac: z.string(),
  key: z.string().optional(),
  keyMac: z.string().optional(),
});

/** RFC 3339 in whole seconds. */
export function timeText(ms: number): string {
  return formatTimestamp(BigInt(Math.floor(ms / 1000)) * 1_000_000_000n);
}

/** `undefined` for what is no time. */
export function msOf(text: string): number | undefined {
  try {
    return Number(parseTimestamp(text) / 1_000_000n);
  } catch {
    return undefined;
  }
}

export const labelsOf = {
  setup: (): Labels => ({ type: TYPES.setup }),
  code: (username: AccountName): Labels => ({ type: TYPES.code, username }),
  login: (username: AccountName): Labels => ({ type: TYPES.login, username }),
  device: (username: AccountName, device: string): Labels => ({
    type: TYPES.device,
    username,
    device,
  }),
  session: (username: AccountName): Labels => ({ type: TYPES.session, username }),
  document: (username: AccountName, name: string, number: number): Labels => ({
    type: TYPES.document,
    username,
    name,
    version: String(number),
  }),
  group: (group: string, epoch: number): Labels => ({
    type: TYPES.group,
    group,
    epoch: String(epoch),
  }),
  invite: (invite: string): Labels => ({ type: TYPES.invite, invite }),
  join: (invite: string, username: AccountName): Labels => ({
    type: TYPES.join,
    invite,
    username,
  }),
};

/** The account that a manifest is of. */
export function accountOf(labels: Labels): AccountName | undefined {
  const { username = "" } = labels;
  return isAccountName(username) ? username : undefined;
}

export const encode = {
  setup: (opaqueSetup: string): object => ({ v: 1, opaqueSetup }),
  code: (codeSha256: string, expiresMs: number): object => ({
    v: 1,
    codeSha256,
    expires: timeText(expiresMs),
  }),
  login: ({ id: _id, signingKey, resetMs, ...rest }: LoginRecord): object => ({
    v: 1,
    ...rest,
    signingKey: bytesToBase64Url(signingKey),
    ...(resetMs === 0 ? {} : { reset: timeText(resetMs) }),
  }),
  device: ({
    id: _id,
    device: _device,
    ...rest
  }: Omit<DeviceRecord, "id"> & { readonly id?: ManifestId }): object => ({
    v: 1,
    ...rest,
  }),
  session: (tokenSha256: string, expiresMs: number, login: ManifestId): object => ({
    v: 1,
    tokenSha256,
    expires: timeText(expiresMs),
    login,
  }),
  document: (text: string): object => ({ v: 1, text }),
  group: ({
    file,
    members,
    admins,
    probe,
    keep,
  }: Pick<GroupRecord, "file" | "members" | "admins" | "probe" | "keep">): object => ({
    v: 1,
    file,
    members,
    admins,
    probe,
    ...(keep ? { keep } : {}),
  }),
  invite: ({ group, by, expires, nonce, ct }: Omit<InviteRecord, "manifestId">): object => ({
    v: 1,
    group,
    by,
    expires,
    nonce,
    ct,
  }),
  join: ({ group, recipient, mac, key, keyMac }: Omit<JoinRecord, "manifestId">): object => ({
    v: 1,
    group,
    recipient,
    mac,
    ...(key === undefined ? {} : { key, keyMac }),
  }),
};

/** Each gives `undefined` for what is not understood. */
export const decode = {
  setup: ({ id, data }: Manifest): SetupRecord | undefined => {
    const { data: read } = SETUP.safeParse(data);
    return read === undefined ? undefined : { id, setup: read.opaqueSetup };
  },
  code: ({ id, data }: Manifest): CodeRecord | undefined => {
    const { data: read } = CODE.safeParse(data);
    const expiresMs = msOf(read?.expires ?? "");
    return read === undefined || expiresMs === undefined
      ? undefined
      : { id, sha256: read.codeSha256, expiresMs };
  },
  login: ({ id, data }: Manifest): LoginRecord | undefined => {
    const { data: read } = LOGIN.safeParse(data);
    if (read === undefined) return undefined;
    const signingKey = bytesOf(read.signingKey);
    if (signingKey?.length !== KEY_BYTES) return undefined;
    const { setup, login, recipient, escrow, enrolled } = read;
    return {
      id,
      setup: setup as ManifestId,
      login,
      delete: read.delete,
      recipient,
      signingKey,
      escrow,
      enrolled,
      resetMs: msOf(read.reset ?? "") ?? 0,
    };
  },
  device: ({ id, labels, data }: Manifest): DeviceRecord | undefined => {
    const { data: read } = DEVICE.safeParse(data);
    const { device = "" } = labels;
    if (read === undefined || !/^[0-9a-f]{16}$/.test(device)) return undefined;
    const { name, certificate, added, scope, tokenSha256, revoked } = read;
    return { id, device, name, certificate, added, scope, tokenSha256, revoked };
  },
  session: ({ id, data }: Manifest): SessionRecord | undefined => {
    const { data: read } = SESSION.safeParse(data);
    const expiresMs = msOf(read?.expires ?? "");
    return read === undefined || expiresMs === undefined
      ? undefined
      : { id, tokenSha256: read.tokenSha256, expiresMs, login: read.login as ManifestId };
  },
  /** By its labels alone. */
  document: ({ id, labels }: Pick<Manifest, "id" | "labels">): DocumentRecord | undefined => {
    const number = numberOf(labels["version"]);
    return number === undefined ? undefined : { id, version: number };
  },
  documentText: ({ data }: Manifest): string | undefined => {
    return DOCUMENT.safeParse(data).data?.text;
  },
  group: ({ id: manifestId, labels, data }: Manifest): GroupRecord | undefined => {
    const { data: read } = GROUP.safeParse(data);
    const { group: id = "" } = labels;
    const epoch = numberOf(labels["epoch"]);
    if (read === undefined || epoch === undefined) return undefined;
    const { file, probe, keep } = read;
    const members = read.members as AccountName[];
    const admins = read.admins as AccountName[];
    return { manifestId, id, epoch, file, members, admins, probe, keep };
  },
  invite: ({ id: manifestId, labels, data }: Manifest): InviteRecord | undefined => {
    const { data: read } = INVITE.safeParse(data);
    if (read === undefined) return undefined;
    const { group, expires, nonce, ct } = read;
    const by = read.by as AccountName;
    return { manifestId, id: labels["invite"] ?? "", group, by, expires, nonce, ct };
  },
  join: ({ id: manifestId, labels, data }: Manifest): JoinRecord | undefined => {
    const { data: read } = JOIN.safeParse(data);
    const account = accountOf(labels);
    if (read === undefined || account === undefined) return undefined;
    const { group, recipient, mac, key, keyMac } = read;
    const inviteId = labels["invite"] ?? "";
    return { manifestId, inviteId, group, account, recipient, mac, key, keyMac };
  },
};

function numberOf(text: string | undefined): number | undefined {
  const number = /^[1-9]\d{0,14}$/.test(text ?? "") ? Number(text) : undefined;
  return Number.isSafeInteger(number) ? number : undefined;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return base64UrlToBytes(text);
  } catch {
    return undefined;
  }
}
