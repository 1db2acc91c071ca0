/** The room on a real repository; logins with a cheap key stretching, which the server does not see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as opaque from "@serenity-kit/opaque";
import { bytesToBase64Url } from "../../bytes/index.ts";
import { nodeCryptoEngine as engine } from "../../node/index.ts";
import { openRepository } from "../../repository/index.ts";
import { certifyDevice, deriveAccountKeys, signingPublicKey } from "../../sealed/index.ts";
import { identifiersOf, type LoginPurpose } from "../../sealing/index.ts";
import { createServedRepository, SERVER_PASSWORD } from "../../testkit/account-server.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { MemoryAudit, MemoryLog } from "../../testkit/server-parts.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../../testkit/temp.ts";
import { openAccounts } from "../accounts/index.ts";
import { createManifestRules, openAccessRules } from "../authorize/index.ts";
import { createSharedFlush } from "../sessions/index.ts";
import { Trash } from "../trash/index.ts";
import type { AccountName } from "../types.ts";
import { issueEnrollmentCode } from "./enrollment-code.ts";
import { SealedRoom } from "./sealed-room.ts";
import type { TokenCaller } from "./service-parts.ts";

const ALICE = "alice@laptop" as AccountName;
const CALLER = { address: "192.0.2.1", from: "192.0.2.1:1000" };
const DENIED = { code: "SEJF_ACCESS_DENIED" };
const CHEAP = { "argon2id-custom": { memory: 64, iterations: 1, parallelism: 1 } };
const KEYRING = JSON.stringify({ v: 1, m: 1, t: 1, p: 1, salt: "", nonce: "", commit: "", ct: "" });

interface Host extends AsyncDisposable {
  readonly room: SealedRoom;
  readonly clock: FakeClock;
  readonly audit: MemoryAudit;
  /** Adds the account; gives a code. */
  code(name: string, validMs?: number): Promise<string>;
  enroll(name: string): Promise<{ readonly token: string; readonly device: string }>;
  login(name: string, password: string, purpose?: LoginPurpose): Promise<unknown>;
}

async function openHost(
  more: { readonly home?: TemporaryDirectory; readonly readOnly?: boolean } = {},
): Promise<Host> {
  const home = more.home ?? (await temporaryDirectory("sealed-room"));
  const configFile = await createServedRepository(home.path);
  const clock = new FakeClock(Date.now());
  const random = new SeededRandom(4);
  const password = SERVER_PASSWORD;
  const repository = await openRepository({
    configFile,
    password,
    clock,
    threads: 0,
    readOnly: more.readOnly ?? false,
  });
  const { manifests } = repository;
  const accounts = openAccounts({ manifests, clock, random, refreshMs: 0 });
  const audit = new MemoryAudit();
  const flush = createSharedFlush(repository);
  const onSnapshots = (): void => {};
  const room = new SealedRoom({
    repository,
    accounts,
    flush,
    accessRules: openAccessRules({ manifests, clock, refreshMs: 0 }),
    manifestRules: createManifestRules({ manifests, clock }),
    trash: new Trash({ manifests, flush, clock, audit, onChange: onSnapshots }),
    onSnapshots,
    clock,
    random,
    audit,
    log: new MemoryLog(),
    refresh: async (options) => await repository.refresh(options),
    stalenessMs: 0,
  });
  await opaque.ready;
  const code = async (name: string, validMs = 60_000): Promise<string> => {
    await accounts.set(name, { encryption: "client" });
    const issued = await issueEnrollmentCode({ manifests, engine, clock, random, validMs }, name);
    await repository.flush();
    room.refresh();
    return issued.code;
  };
  return {
    room,
    clock,
    audit,
    code,
    enroll: async (name) => await enroll(room, random, name, await code(name)),
    login: async (account, typed, purpose = "login") => {
      const { clientLoginState, startLoginRequest } = opaque.client.startLogin({ password: typed });
      const { loginId, loginResponse } = await room.logins.start(CALLER, {
        account,
        purpose,
        startLoginRequest,
      });
      const done = opaque.client.finishLogin({
        clientLoginState,
        loginResponse,
        password: typed,
        identifiers: identifiersOf(account, purpose),
        keyStretching: CHEAP,
      });
      const finishLoginRequest = done?.finishLoginRequest ?? "A".repeat(86);
      return await room.logins.finish(CALLER, { loginId, finishLoginRequest });
    },
    [Symbol.asyncDispose]: async () => {
      await repository[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

/** The password is the account's name, the delete password `delete` before it. */
async function enroll(
  room: SealedRoom,
  random: SeededRandom,
  account: string,
  code: string,
): Promise<{ readonly token: string; readonly device: string }> {
  const keys = await deriveAccountKeys(engine, random.bytes(32));
  const begin = (password: string): ReturnType<typeof opaque.client.startRegistration> =>
    opaque.client.startRegistration({ password });
  const [login, removal] = [begin(account), begin(`delete ${account}`)];
  const started = await room.enrollment.start(CALLER, {
    account,
    code,
    login: login.registrationRequest,
    delete: removal.registrationRequest,
  });
  const end = (
    one: ReturnType<typeof begin>,
    password: string,
    purpose: LoginPurpose,
    registrationResponse: string,
  ): string =>
    opaque.client.finishRegistration({
      clientRegistrationState: one.clientRegistrationState,
      registrationResponse,
      password,
      identifiers: identifiersOf(account, purpose),
      keyStretching: CHEAP,
    }).registrationRecord;
  const device = "00112233445566aa";
  const key = signingPublicKey(random.bytes(32));
  const { token } = await room.enrollment.finish(CALLER, {
    account,
    code,
    login: end(login, account, "login", started.login),
    delete: end(removal, `delete ${account}`, "delete", started.delete ?? ""),
    recipient: keys.recipient,
    signingKey: bytesToBase64Url(keys.signingPublicKey),
    certificate: certifyDevice(keys.signingSeed, { id: device, key }),
    deviceName: "test",
    reads: false,
    keyring: KEYRING,
  });
  return { token, device };
}

function session(account: AccountName): TokenCaller {
  return { ...CALLER, account, token: { scope: "session", device: undefined } };
}

test("logins: right, wrong, of nobody; begun ones end in a minute, and are told of", async () => {
  await using host = await openHost();
  await host.enroll(ALICE);
  assert.deepEqual(Object.keys((await host.login(ALICE, ALICE)) as object), [
    "token",
    "scope",
    "expires",
  ]);
  const stepUp = (await host.login(ALICE, `delete ${ALICE}`, "delete")) as {
    readonly stepUpId: string;
  };
  assert.equal(host.room.stepUps.take(stepUp.stepUpId)?.account, ALICE);
  for (const [name, password, purpose] of [
    [ALICE, "wrong", "login"],
    [ALICE, ALICE, "delete"],
    ["nobody@home", "any", "login"],
    ["not even a name", "any", "login"],
  ] as const)
    await assert.rejects(host.login(name, password, purpose), DENIED, name);
  const { startLoginRequest } = opaque.client.startLogin({ password: "guess" });
  const begun = await host.room.logins.start(CALLER, {
    account: ALICE,
    purpose: "login",
    startLoginRequest,
  });
  host.clock.advance(60_000);
  const finishLoginRequest = "A".repeat(86);
  await assert.rejects(
    host.room.logins.finish(CALLER, { loginId: begun.loginId, finishLoginRequest }),
    DENIED,
  );
  const told = host.audit.events.find(({ detail }) => detail?.startsWith("begun and not ended"));
  assert.deepEqual([told?.who, told?.result, told?.from], [ALICE, "denied", CALLER.from]);
});

test("logins: answers to strangers have the length and the fields of those to accounts", async () => {
  await using host = await openHost();
  await host.enroll(ALICE);
  await host.code("bob@desk");
  const lengths = new Set<number>();
  for (const account of [ALICE, "bob@desk", "nobody@home"]) {
    const { startLoginRequest } = opaque.client.startLogin({ password: "guess" });
    const start = { account, purpose: "login", startLoginRequest } as const;
    lengths.add((await host.room.logins.start(CALLER, start)).loginResponse.length);
  }
  assert.equal(lengths.size, 1);
});

test("tokens: of a session they expire, of a device they end when it is revoked", async () => {
  await using host = await openHost();
  const { room } = host;
  const { token, device } = await host.enroll(ALICE);
  const found = await room.tokens.find(ALICE, token);
  assert.deepEqual(found?.use, { scope: "device", device });
  assert.equal(await room.tokens.find("bob@desk", token), undefined);
  assert.equal(await room.tokens.ownerOf(token), ALICE);
  for (const other of ["", token.slice(1), `${token}x`, token.toUpperCase()])
    assert.equal(await room.tokens.find(ALICE, other), undefined, other);
  const issued = (await host.login(ALICE, ALICE)) as { readonly token: string };
  const mine = await room.tokens.find(ALICE, issued.token);
  assert.deepEqual(mine?.use, { scope: "session", device: undefined });
  host.clock.advance(24 * 3_600_000);
  assert.equal(await room.tokens.find(ALICE, issued.token), undefined);
  assert.ok((await room.tokens.renew(ALICE, mine.sha256)) !== undefined, "a stream goes on");
  await room.devices.revoke(session(ALICE), device);
  assert.equal(await room.tokens.find(ALICE, token), undefined);
  assert.equal(await room.tokens.renew(ALICE, found?.sha256 ?? ""), undefined);
  assert.deepEqual(await room.devices.list(session(ALICE)), []);
  await assert.rejects(room.devices.revoke(session(ALICE), device), { code: "SEJF_NOT_FOUND" });
  await assert.rejects(room.devices.rename(session(ALICE), device, "x"), {
    code: "SEJF_NOT_FOUND",
  });
});

test("enrollment: a code is bound to its account, ends with its time, and a newer one replaces it", async () => {
  await using host = await openHost();
  const random = new SeededRandom(6);
  const old = await host.code(ALICE);
  const code = await host.code(ALICE);
  await assert.rejects(enroll(host.room, random, ALICE, old), DENIED);
  host.clock.advance(60_000);
  await assert.rejects(enroll(host.room, random, ALICE, code), DENIED);
  await enroll(host.room, random, ALICE, await host.code(ALICE));
  await assert.rejects(host.code(ALICE), { code: "SEJF_ALREADY_EXISTS" });
});

test("enrollment: malformed registrations are refused, and use up no code", async () => {
  await using host = await openHost();
  const code = await host.code(ALICE);
  const { room } = host;
  const keys = await deriveAccountKeys(engine, new Uint8Array(32).fill(7));
  const right = {
    account: ALICE,
    code,
    login: "",
    recipient: keys.recipient,
    signingKey: bytesToBase64Url(keys.signingPublicKey),
    certificate: certifyDevice(keys.signingSeed, {
      id: "00".repeat(8),
      key: keys.signingPublicKey,
    }),
    deviceName: "test",
    reads: false,
    keyring: KEYRING,
  };
  const stranger = certifyDevice(new Uint8Array(32), {
    id: "00".repeat(8),
    key: keys.signingPublicKey,
  });
  for (const change of [
    {},
    { login: "A".repeat(300) },
    { certificate: stranger },
    { signingKey: "AAAA" },
    { recipient: "age1x" },
    { keyring: "{}" },
    { deviceName: "a\nb" },
  ])
    await assert.rejects(room.enrollment.finish(CALLER, { ...right, ...change }), {
      code: /SEJF_INVALID_ARGUMENT|SEJF_LOCKED/,
    });
  host.clock.advance(31 * 60_000);
  await enroll(room, new SeededRandom(2), ALICE, await host.code(ALICE));
});

test("a repository that cannot be written answers strangers all the same, and lets nobody in", async () => {
  const home = await temporaryDirectory("sealed-room");
  await using host = await openHost({ home, readOnly: true });
  await assert.rejects(host.login("nobody@home", "x"), DENIED);
});
