/** Sessions on the level of the protocol: what is durable when, who may what, what is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { ContentId } from "../../format/index.ts";
import type { SessionClient } from "../../rpc/index.ts";
import { AccountServer } from "../../testkit/account-server.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { until } from "../../testkit/server-log.ts";
import { putSnapshot, SNAPSHOT, snapshotsOf, write } from "../../testkit/session-requests.ts";

test("a session: what it puts is its own until it flushes, and gone when it is cancelled", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using reader = await server.session(connection);
  let lost: string;
  {
    await using writer = await server.session(connection);
    lost = await putSnapshot(writer, await write(writer, utf8ToBytes("root 1"), "k"));
    assert.deepEqual(await snapshotsOf(writer), [lost]);
    assert.deepEqual(await snapshotsOf(reader), []);
    assert.equal(
      server.registry.list().find(({ unflushed }) => unflushed)?.account,
      "alice@laptop",
    );
  }
  await until(() => server.registry.size === 1, "the writer's session has ended");
  assert.match(server.audit.events.at(-1)?.detail ?? "", /^1 changes .* never flushed$/);
  await reader.request("flush", {});
  assert.deepEqual(await snapshotsOf(reader), []);
  await assert.rejects(reader.request("getManifest", { manifestId: lost }), {
    code: "SEJF_MANIFEST_NOT_FOUND",
  });

  await using writer = await server.session(connection);
  const kept = await putSnapshot(writer, await write(writer, utf8ToBytes("root 2"), "k"));
  await writer.request("flush", {});
  assert.deepEqual(await snapshotsOf(reader), [kept]);
  await writer.request("deleteManifest", { manifestId: kept });
  assert.deepEqual(await snapshotsOf(writer), []);
  assert.deepEqual(await snapshotsOf(reader), [kept]);
  await writer.request("flush", {});
  assert.deepEqual(await snapshotsOf(reader), []);
});

test("a session: contents are hashed before they go to a client that does not say that it does so itself", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  const { contents } = server.repository;
  const asked: boolean[] = [];
  const readInto = contents.readInto.bind(contents);
  contents.readInto = async (ref, options): ReturnType<typeof readInto> => {
    asked.push(options.isHashedLater);
    return await readInto(ref, options);
  };
  for (const hashesContents of [false, true]) {
    await using session = await server.session(connection, "alice@laptop", { hashesContents });
    const data = new SeededRandom(4).bytes(200_000);
    const contentId = await write(session, data);
    // From the pack that is being filled, and from the disk.
    for (let round = 0; round < 2; round++) {
      const answers = Array.from(
        { length: 5 },
        async () => (await session.request("getContent", { contentId })).data,
      );
      for (const answer of await Promise.all(answers))
        assert.deepEqual(Buffer.from(answer), Buffer.from(data));
      await session.request("flush", {});
    }
  }
  assert.deepEqual(asked, [...Array<boolean>(10).fill(false), ...Array<boolean>(10).fill(true)]);
});

test("a session: a half-close flushes, and another process sees it", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  const writer = await server.session(connection);
  const data = new SeededRandom(3).bytes(300_000);
  const contentId = await write(writer, data);
  const id = await putSnapshot(writer, await write(writer, utf8ToBytes("root"), "k"));
  await writer.finish();
  await using other = await AccountServer.start({ configFile: server.configFile });
  other.mode = "any";
  await using otherConnection = await other.connect();
  await using reader = await other.session(otherConnection);
  assert.deepEqual(await snapshotsOf(reader), [id]);
  assert.deepEqual(
    Buffer.from((await reader.request("getContent", { contentId })).data),
    Buffer.from(data),
  );
});

test("two servers on one folder: each sees what the other's clients flushed, after the time it may be stale", async () => {
  await using first = await AccountServer.start({ method: { stalenessMs: 0 } });
  await using second = await AccountServer.start({
    configFile: first.configFile,
    method: { stalenessMs: 0 },
  });
  first.mode = second.mode = "any";
  await using toFirst = await first.connect();
  await using toSecond = await second.connect();
  await using one = await first.session(toFirst);
  await using two = await second.session(toSecond);
  const written = await Promise.all(
    [one, two].map(async (session, i) => {
      const contentId = await write(session, utf8ToBytes(`content ${i}`));
      const id = await putSnapshot(session, await write(session, utf8ToBytes(`root ${i}`), "k"));
      await session.request("flush", {});
      return { contentId, id };
    }),
  );
  const ids = written.map(({ id }) => id).toSorted();
  for (const session of [one, two]) {
    assert.deepEqual((await snapshotsOf(session)).toSorted(), ids);
    for (const [i, { contentId }] of written.entries()) {
      const { data } = await session.request("getContent", { contentId });
      assert.deepEqual(Buffer.from(data), Buffer.from(`content ${i}`));
    }
  }
});

test("a flush: many sessions share a few, and every one of them is durable", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  const sessions = await Promise.all(
    Array.from({ length: 12 }, async () => await server.session(connection)),
  );
  const ids = await Promise.all(
    sessions.map(async (session, i) => {
      const root = await write(session, utf8ToBytes(`root ${i}`), "k");
      const id = await putSnapshot(session, root);
      await session.request("flush", {});
      return id;
    }),
  );
  assert.ok(server.repository.contents.statistics().indexFlushes <= 14);
  await using other = await AccountServer.start({ configFile: server.configFile });
  await using otherConnection = await other.connect();
  await using reader = await other.session(otherConnection);
  assert.deepEqual((await snapshotsOf(reader)).toSorted(), ids.toSorted());
  for (const session of sessions) await session[Symbol.asyncDispose]();
});

test("a snapshot that reaches what is not there is refused, with all that was to be flushed with it", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using session = await server.session(connection);
  const old = await putSnapshot(session, await write(session, utf8ToBytes("root"), "k"));
  await session.request("flush", {});
  // As an edit of a snapshot does it: put the new one, delete the old one.
  await putSnapshot(session, `k${"ab".repeat(32)}`);
  await session.request("deleteManifest", { manifestId: old });
  await assert.rejects(session.request("flush", {}), { code: "SEJF_CONTENT_NOT_FOUND" });
  await session.request("flush", {});
  assert.deepEqual(await snapshotsOf(session), [old]);
  const undone = server.audit.events.filter(({ action }) => action === "session.flush");
  assert.equal(undone.length, 1);
  assert.match(undone[0]?.detail ?? "", new RegExp(`^SEJF_CONTENT_NOT_FOUND: .*, ${old}$`));
});

test("a flush: an account with too many manifests stores no more, and may delete", async () => {
  await using server = await AccountServer.start({ method: { maxManifestBytes: 2000 } });
  await using connection = await server.connect();
  await using alice = await server.session(connection);
  await using bob = await server.session(connection, "bob@desk");
  const jsonData = utf8ToBytes(`{"x":"${"y".repeat(3000)}"}`);
  const labels = { type: "policy", policyType: "user", username: "alice", hostname: "laptop" };
  const { manifestId } = await alice.request("putManifest", { labels, jsonData });
  await alice.request("flush", {});
  await alice.request("putManifest", { labels, jsonData: utf8ToBytes("{}") });
  await assert.rejects(alice.request("flush", {}), /at most 2000 are allowed/);
  await bob.request("putManifest", {
    labels: { ...labels, username: "bob", hostname: "desk" },
    jsonData,
  });
  await bob.request("flush", {});
  await alice.request("deleteManifest", { manifestId });
  await alice.request("flush", {});
  await alice.request("putManifest", { labels, jsonData: utf8ToBytes("{}") });
  await alice.request("flush", {});
});

test("what an account puts and does not flush is bounded for all its sessions together, and only for it", async () => {
  await using server = await AccountServer.start({ method: { maxUnflushedBytes: 5000 } });
  await using connection = await server.connect();
  await using bob = await server.session(connection, "bob@desk");
  const put = async (session: SessionClient, username: string, hostname: string): Promise<void> => {
    const labels = { type: "policy", policyType: "user", username, hostname };
    const jsonData = utf8ToBytes(`{"x":"${"y".repeat(3000)}"}`);
    await session.request("putManifest", { labels, jsonData });
  };
  await using second = await server.session(connection);
  {
    await using first = await server.session(connection);
    await put(first, "alice", "laptop");
    await assert.rejects(put(second, "alice", "laptop"), /in all sessions of the account/);
    await put(bob, "bob", "desk");
    await first.request("flush", {});
    await put(second, "alice", "laptop");
    await assert.rejects(put(first, "alice", "laptop"), /in all sessions of the account/);
    await first.finish();
  }
  await second.request("flush", {});
  await put(second, "alice", "laptop");
});

test("contents: what an account does not hold is not there, and nothing distinguishes it", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using alice = await server.session(connection);
  await using bob = await server.session(connection, "bob@desk");
  const data = utf8ToBytes("alice's secret");
  const contentId = await write(alice, data);
  await alice.request("flush", {});
  const unknown = "00".repeat(contentId.length / 2);
  const outcomes: string[] = [];
  for (const id of [contentId, unknown, `m${unknown}`])
    for (const kind of ["getContent", "getContentInfo"] as const)
      await assert.rejects(bob.request(kind, { contentId: id }), (error) => {
        assert.ok(isSejfError(error, "SEJF_CONTENT_NOT_FOUND"));
        outcomes.push(error.message.replace(kind, ""));
        return true;
      });
  assert.equal(new Set(outcomes).size, 1);
  const prefetched = await bob.request("prefetchContents", {
    contentIds: [contentId, unknown],
    hint: "",
  });
  assert.deepEqual(prefetched.contentIds, []);
  // Who sends the same bytes holds them, and learns nothing about who was first.
  assert.equal(await write(bob, data), contentId);
  const { info } = await bob.request("getContentInfo", { contentId });
  assert.deepEqual(
    [info?.originalLength, info?.packedLength, info?.timestampSeconds, info?.packBlobId],
    [data.length, data.length, 0n, ""],
  );
});

test("contents: packed manifests are nobody's, whatever the mode", async () => {
  await using server = await AccountServer.start();
  server.mode = "any";
  const ids: ContentId[] = [];
  for await (const page of server.repository.contents.list({ prefix: "m" }))
    ids.push(...page.map(({ id }) => id));
  assert.ok(ids.length > 0);
  await using connection = await server.connect();
  await using session = await server.session(connection);
  await assert.rejects(session.request("getContent", { contentId: ids[0] ?? "" }), {
    code: "SEJF_CONTENT_NOT_FOUND",
  });
  await assert.rejects(write(session, utf8ToBytes("x"), "m"), { code: "SEJF_ACCESS_DENIED" });
});

test("contents: prefixes, compressors, levels, capacity, every hint", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using session = await server.session(connection);
  const data = utf8ToBytes("wordy ".repeat(10_000));
  for (const prefix of ["a", "kk", "K", "é"])
    await assert.rejects(write(session, data, prefix), { code: "SEJF_INVALID_ARGUMENT" });
  await assert.rejects(
    session.request("writeContent", { prefix: "", data, compression: 7777 }),
    /unsupported compressor 7777/,
  );
  const { contentId } = await session.request("writeContent", {
    prefix: "",
    data,
    compression: 0x1100,
  });
  const stored = await server.repository.contents.info(contentId as ContentId);
  assert.ok((stored?.packedLength ?? data.length) < 1000);
  for (const hint of ["", "contents", "blobs", "default", "none", "other"]) {
    const answer = await session.request("prefetchContents", { contentIds: [contentId], hint });
    assert.deepEqual(answer.contentIds, [contentId]);
  }
  const { capacity } = await session.request("getCapacity", {});
  assert.ok((capacity?.sizeBytes ?? 0n) > (capacity?.freeBytes ?? 0n));
  const big = new SeededRandom(1).bytes(18 << 20);
  const bigId = await write(session, big);
  const read = await session.request("getContent", { contentId: bigId });
  assert.ok(Buffer.from(read.data).equals(big));
  server.contentLevel = "READ";
  await using weak = await server.session(connection);
  await assert.rejects(write(weak, data), { code: "SEJF_ACCESS_DENIED" });
  await assert.rejects(weak.request("flush", {}), { code: "SEJF_ACCESS_DENIED" });
  server.contentLevel = "NONE";
  await using none = await server.session(connection);
  await assert.rejects(none.request("getContent", { contentId }), { code: "SEJF_ACCESS_DENIED" });
});

test("a read-only session writes nothing", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using writer = await server.session(connection);
  const id = await putSnapshot(writer, await write(writer, utf8ToBytes("root"), "k"));
  await writer.request("flush", {});
  await using session = await server.session(connection, "alice@laptop", { readOnly: true });
  const denied = { code: "SEJF_ACCESS_DENIED" };
  await assert.rejects(write(session, utf8ToBytes("x")), denied);
  await assert.rejects(putSnapshot(session, "k00"), denied);
  await assert.rejects(session.request("deleteManifest", { manifestId: id }), denied);
  const retention = { sourcePath: "/data", reallyDelete: true };
  await assert.rejects(session.request("applyRetentionPolicy", retention), denied);
  await session.request("flush", {});
  assert.deepEqual(await snapshotsOf(session), [id]);
});

test("manifests: foreign ones are not found; policies with foreign labels count for nobody", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using alice = await server.session(connection);
  await using bob = await server.session(connection, "bob@desk");
  const id = await putSnapshot(alice, await write(alice, utf8ToBytes("root"), "k"));
  await alice.request("flush", {});
  const unknown = "0".repeat(32);
  const told: string[] = [];
  for (const manifestId of [id, unknown])
    for (const kind of ["getManifest", "deleteManifest"] as const)
      await assert.rejects(bob.request(kind, { manifestId }), (error) => {
        assert.ok(isSejfError(error, "SEJF_MANIFEST_NOT_FOUND"));
        told.push(error.message.replace(kind, "").replace(manifestId, ""));
        return true;
      });
  assert.equal(new Set(told).size, 1);
  // The poisoned policy of finding 4, as it would lie in a repository that another server has served.
  const poison = { type: "policy", policyType: "global", username: "bob", hostname: "desk" };
  await server.repository.manifests.put(poison, { files: { ignore: ["*"] } });
  await server.repository.flush();
  for (const session of [alice, bob]) {
    const found = await session.findManifests({
      labels: { type: "policy", policyType: "global" },
      pageSize: 0,
    });
    assert.deepEqual(
      found.map(({ labels }) => labels),
      [{ type: "policy", policyType: "global" }],
    );
  }
  for (const type of ["acl", "maintenance", "user"])
    assert.deepEqual(await alice.findManifests({ labels: { type }, pageSize: 0 }), []);
  for (const labels of [SNAPSHOT, { type: "acl" }, { type: "x".repeat(1000) }])
    await assert.rejects(bob.request("putManifest", { labels, jsonData: utf8ToBytes("{}") }), {
      code: "SEJF_ACCESS_DENIED",
    });
  assert.deepEqual(
    server.audit.events.filter(({ result }) => result === "denied").map(({ action }) => action),
    ["snapshot.create", "acl.create", "manifest.create"],
  );
});

test("manifests: JSON that is none, labels without a type, and too much of it", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using session = await server.session(connection);
  const refused = { code: "SEJF_INVALID_ARGUMENT" };
  const { type: _, ...untyped } = SNAPSHOT;
  await assert.rejects(
    session.request("putManifest", { labels: untyped, jsonData: utf8ToBytes("{}") }),
    refused,
  );
  const invalid = [Uint8Array.of(0xff, 0xfe), new Uint8Array(5 << 20).fill(0x20)];
  for (const jsonData of invalid)
    await assert.rejects(session.request("putManifest", { labels: SNAPSHOT, jsonData }), refused);
  const jsonData = utf8ToBytes(`{"x":"${"y".repeat(3 << 20)}"}`);
  for (let i = 0; i < 10; i++) await session.request("putManifest", { labels: SNAPSHOT, jsonData });
  await assert.rejects(session.request("putManifest", { labels: SNAPSHOT, jsonData }), refused);
});
