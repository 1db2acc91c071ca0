/**
 * What an account can do to a kopia server and its neighbours, done to a real one, and then to ours: the same requests,
 * another outcome. Spec: kopia-server 8.3, 12.1, 12.9, 12.12.
 */
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { setTimeout as wait } from "node:timers/promises";
import { test } from "node:test";
import { bytesToHex, utf8ToBytes } from "../../src/bytes/index.ts";
import { isSejfError } from "../../src/errors/index.ts";
import { nodeCryptoEngine } from "../../src/node/index.ts";
import {
  connectGrpc,
  type GrpcConnection,
  openSession,
  parseServerAddress,
  SESSION_PATH,
  type SessionClient,
} from "../../src/rpc/index.ts";
import { framePrefix } from "../../src/rpc/grpc/frames.ts";
import { encodeRequest } from "../../src/rpc/wire/envelopes.ts";
import { KOPIA_SKIP } from "../../src/testkit/kopia.ts";
import { type KopiaServer, startKopiaServer } from "../../src/testkit/kopia-server.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { openServerHome, SejfServer } from "../../src/testkit/sejf-server.ts";

const ALICE = "alice@laptop";
const BOB = "bob@desk";
const PASSWORDS = { [ALICE]: "alice-pw", [BOB]: "bob-pw" } as const;
const CONTENT_BYTES = 8 << 20;

/** Where sessions are opened, whoever's server it is. */
interface Target {
  readonly url: string;
  readonly fingerprint: string;
}

interface Caller extends AsyncDisposable {
  readonly connection: GrpcConnection;
  readonly session: SessionClient;
}

async function callAs(
  target: Target,
  name: keyof typeof PASSWORDS,
  options: { readonly readOnly?: boolean } = {},
): Promise<Caller> {
  const [username = "", hostname = ""] = name.split("@");
  const { fingerprint } = target;
  const connection = await connectGrpc(parseServerAddress(target.url), { fingerprint });
  const credentials = { username, hostname, password: PASSWORDS[name] };
  const session = await openSession(connection, { credentials, ...options });
  return {
    connection,
    session,
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]();
      await connection[Symbol.asyncDispose]();
    },
  };
}

async function write(session: SessionClient, data: Uint8Array, prefix = ""): Promise<string> {
  const answer = await session.request("writeContent", { prefix, data, compression: 0 });
  return answer.contentId;
}

/** Runs on a real kopia server, where the attack must succeed, and on ours, where it must not. */
async function onBoth(
  work: (target: Target, isOurs: boolean, servers: Servers) => Promise<void>,
): Promise<void> {
  {
    await using kopia = await startKopiaServer(PASSWORDS);
    await work(kopia, false, { kopia, sejf: undefined });
  }
  await using home = await openServerHome(PASSWORDS);
  await using sejf = await SejfServer.start(home);
  await work(sejf, true, { kopia: undefined, sejf });
}

interface Servers {
  readonly kopia: KopiaServer | undefined;
  readonly sejf: SejfServer | undefined;
}

test("12.1: a foreign content is read by its ID, and a known plaintext is confirmed with its time", {
  skip: KOPIA_SKIP,
}, async () => {
  await onBoth(async (target, isOurs) => {
    await using alice = await callAs(target, ALICE);
    const secret = utf8ToBytes("the numbers of next week's draw");
    const contentId = await write(alice.session, secret);
    await alice.session.request("flush", {});
    await using bob = await callAs(target, BOB);
    // Bob has the plaintext and the key of all names, and asks whether somebody has it.
    const { hashFunction, hmacSecret } = bob.session.parameters;
    const guessed = bytesToHex(nodeCryptoEngine.contentHash(hashFunction, hmacSecret).hash(secret));
    assert.equal(guessed, contentId);
    const probe = bob.session.request("getContentInfo", { contentId: guessed });
    const steal = bob.session.request("getContent", { contentId });
    if (isOurs) {
      await assert.rejects(probe, { code: "SEJF_CONTENT_NOT_FOUND" });
      await assert.rejects(steal, { code: "SEJF_CONTENT_NOT_FOUND" });
      await write(bob.session, secret);
      const own = await bob.session.request("getContentInfo", { contentId });
      assert.equal(own.info?.timestampSeconds, 0n, "not even now he learns who was first");
    } else {
      assert.ok(((await probe).info?.timestampSeconds ?? 0n) > 0n);
      assert.deepEqual(Buffer.from((await steal).data), Buffer.from(secret));
    }
  });
});

test("8.3: an append-only account floods its source with snapshots from the future, and the real one goes", {
  skip: KOPIA_SKIP,
}, async () => {
  await onBoth(async (target, isOurs, servers) => {
    const own = { username: "alice", hostname: "laptop" };
    await using alice = await callAs(target, ALICE);
    const real = await putSnapshot(alice.session, await emptyRoot(alice.session), new Date());
    await alice.session.request("flush", {});
    if (servers.sejf !== undefined) {
      await servers.sejf.sejf.ok(["server", "user", "set", ALICE, "--append-only"]);
      await servers.sejf.control(["refresh"]);
    }
    if (servers.kopia !== undefined) {
      const { kopia, url, fingerprint } = servers.kopia;
      const grants = ["type=content", "type=snapshot,username=alice,hostname=laptop"];
      for (const target of grants)
        await kopia.ok([
          "server",
          "acl",
          "add",
          `--user=${ALICE}`,
          `--target=${target}`,
          "--access=APPEND",
        ]);
      const control = [`--address=${url}`, `--server-cert-fingerprint=${fingerprint}`];
      await kopia.ok(["server", "refresh", ...control, "--server-control-password=control-pw"]);
    }
    await using malware = await callAs(target, ALICE);
    const root = await emptyRoot(malware.session);
    await assert.rejects(malware.session.request("deleteManifest", { manifestId: real }), {
      code: "SEJF_ACCESS_DENIED",
    });
    let refused = 0;
    for (let i = 0; i < 120; i++) {
      const date = new Date(Date.UTC(2090 + Math.floor(i / 12), i % 12, 1 + (i % 28), i % 24));
      await putSnapshot(malware.session, root, date).catch((error: unknown) => {
        assert.ok(isSejfError(error), String(error));
        refused++;
      });
    }
    const retention = { sourcePath: "/data", reallyDelete: true };
    const { manifestIds } = await malware.session.request("applyRetentionPolicy", retention);
    await malware.session.request("flush", {});
    const left = await malware.session.findManifests({
      labels: { type: "snapshot", ...own, path: "/data" },
      pageSize: 1000,
    });
    const isThere = left.some(({ id }) => id === real);
    assert.equal(isThere, isOurs);
    assert.equal(manifestIds.includes(real), !isOurs);
    assert.equal(refused, isOurs ? 120 : 0);
  });
});

test("12.9: a client that does not read what it asked for stops the others", {
  skip: KOPIA_SKIP,
}, async () => {
  await onBoth(async (target, isOurs) => {
    await using alice = await callAs(target, ALICE);
    const contentId = await write(alice.session, new SeededRandom(1).bytes(CONTENT_BYTES));
    await alice.session.request("flush", {});
    await using bob = await callAs(target, BOB);
    const evil = connectHttp2(target.url, { rejectUnauthorized: false });
    evil.on("error", () => {});
    const stream = evil.request({
      ":method": "POST",
      ":path": SESSION_PATH,
      "content-type": "application/grpc",
      te: "trailers",
      "kopia-username": "alice",
      "kopia-hostname": "laptop",
      "kopia-password": PASSWORDS[ALICE],
    });
    stream.on("error", () => {});
    stream.pause();
    const send = (parts: readonly Uint8Array[]): void => {
      stream.write(framePrefix(parts.reduce((sum, part) => sum + part.byteLength, 0)));
      for (const part of parts) stream.write(part);
    };
    send(encodeRequest(1n, { kind: "initializeSession", body: { purpose: "", readOnly: false } }));
    for (let i = 2n; i < 42n; i++)
      send(encodeRequest(i, { kind: "getContent", body: { contentId } }));
    await new Promise<void>((resolve) => stream.once("response", () => resolve()));
    await wait(1500);
    const served = bob.session
      .findManifests({ labels: { type: "policy" }, pageSize: 10 })
      .then(() => true);
    const outcome = isOurs ? await served : await Promise.race([served, wait(3000, false)]);
    assert.equal(outcome, isOurs);
    evil.destroy();
    assert.equal(await served, true);
  });
});

test("12.12: a session outlives its account, foreign IDs are confirmed, and a read-only session writes", {
  skip: KOPIA_SKIP,
}, async () => {
  await onBoth(async (target, isOurs, { kopia, sejf }) => {
    await using alice = await callAs(target, ALICE);
    await using bob = await callAs(target, BOB);
    const id = await putSnapshot(alice.session, await emptyRoot(alice.session), new Date());
    await alice.session.request("flush", {});
    await assert.rejects(bob.session.request("getManifest", { manifestId: id }), {
      code: isOurs ? "SEJF_MANIFEST_NOT_FOUND" : "SEJF_ACCESS_DENIED",
    });
    await using reader = await callAs(target, BOB, { readOnly: true });
    const written = write(reader.session, utf8ToBytes("written for reading"));
    if (isOurs) await assert.rejects(written, { code: "SEJF_ACCESS_DENIED" });
    else await written;
    // The account is removed; the server has read that.
    const remove = ["server", "user", "delete", BOB];
    if (sejf !== undefined) {
      await sejf.sejf.ok(remove);
      await sejf.control(["refresh"]);
    } else if (kopia !== undefined) {
      await kopia.kopia.ok(remove);
      const control = [
        `--address=${kopia.url}`,
        `--server-cert-fingerprint=${kopia.fingerprint}`,
        "--server-control-password=control-pw",
      ];
      await kopia.kopia.ok(["server", "refresh", ...control]);
      await write(bob.session, utf8ToBytes("still here"));
      return;
    }
    await assert.rejects(async () => {
      for (let i = 0; i < 600; i++) {
        await write(bob.session, utf8ToBytes(`still here ${i}`));
        await wait(50);
      }
    }, /access denied for bob@desk/);
  });
});

/** A listing of nothing. */
async function emptyRoot(session: SessionClient): Promise<string> {
  const summary = { size: 0, files: 0, symlinks: 0, dirs: 1, maxTime: "2026-01-01T00:00:00Z" };
  const listing = { stream: "kopia:directory", entries: [], summary };
  return await write(session, utf8ToBytes(`${JSON.stringify(listing)}\n`), "k");
}

async function putSnapshot(session: SessionClient, root: string, date: Date): Promise<string> {
  const time = date.toISOString();
  const source = { host: "laptop", userName: "alice", path: "/data" };
  const rootEntry = {
    name: "data",
    type: "d",
    mode: "0755",
    mtime: "2026-01-01T00:00:00Z",
    obj: root,
    summ: { size: 0, files: 0, symlinks: 0, dirs: 1, maxTime: "2026-01-01T00:00:00Z" },
  };
  const stats = { totalSize: 0, fileCount: 0, dirCount: 1, errorCount: 0 };
  const json = { source, description: "", startTime: time, endTime: time, stats, rootEntry };
  const labels = { type: "snapshot", username: "alice", hostname: "laptop", path: "/data" };
  const jsonData = utf8ToBytes(JSON.stringify(json));
  return (await session.request("putManifest", { labels, jsonData })).manifestId;
}
