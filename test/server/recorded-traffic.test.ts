/**
 * What a real kopia client said to a real kopia server, said to ours: each request of the recording, with the IDs that
 * our server has given, is answered as it was then.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { base64ToBytes, bytesToUtf8, type Random } from "../../src/bytes/index.ts";
import { type GrpcClientCall, SESSION_PATH } from "../../src/rpc/index.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  type SessionRequest,
  type SessionResponse,
} from "../../src/rpc/wire/envelopes.ts";
import { AccountServer } from "../../src/testkit/account-server.ts";
import { SeededRandom } from "../../src/testkit/random.ts";

interface TraceEvent {
  readonly op: string;
  readonly session: number;
  readonly dir: "open" | "c2s" | "s2c" | "cancelled" | "s-status";
  readonly headers?: Readonly<Record<string, string>>;
  readonly raw?: string;
  /** Decoded; long answers are recorded by their digest only. */
  readonly message?: {
    readonly requestId: string;
    readonly getContent?: { readonly dataSha256?: string };
  };
  readonly code?: number;
  readonly details?: string;
}

interface Trace {
  readonly password: string;
  readonly user: string;
  readonly repository: { readonly hash: string; readonly splitter: string };
  readonly events: readonly TraceEvent[];
}

interface Session {
  readonly call: GrpcClientCall;
  readonly answers: AsyncGenerator<Uint8Array, void, void>;
  readonly recorded: Map<bigint, SessionResponse>;
  readonly digests: Map<bigint, string>;
}

test("the recorded traffic: our server answers as kopia's did", async () => {
  const trace = JSON.parse(
    await readFile(new URL("../golden/grpc-trace.json", import.meta.url), "utf8"),
  ) as Trace;
  const { hash, splitter } = trace.repository;
  await using server = await AccountServer.start({
    format: { hash, splitter },
    random: randomWithSecret(secretOf(trace)),
    accounts: [trace.user],
  });
  const entry = server.accounts.get(trace.user);
  assert.ok(entry !== undefined);
  entry.password = trace.password;
  await using connection = await server.connect();
  const ids = new Ids();
  const sessions = new Map<number, Session>();
  let compared = 0;
  for (const event of trace.events) {
    const where = `${event.op}, session ${event.session}`;
    if (event.dir === "open") {
      const metadata = headersOf(event);
      const call = connection.startCall(SESSION_PATH, { metadata });
      const recorded = recordedAnswers(trace, event.session);
      const digests = recordedDigests(trace, event.session);
      sessions.set(event.session, { call, answers: call.messages(), recorded, digests });
      continue;
    }
    const session = sessions.get(event.session);
    assert.ok(session !== undefined, where);
    if (event.dir === "cancelled") session.call.cancel();
    if (event.dir === "s-status" && event.code === 7)
      await assert.rejects(session.answers.next(), {
        code: "SEJF_ACCESS_DENIED",
        message: event.details ?? "",
      });
    if (event.dir !== "c2s") continue;
    const request = decodeRequest(base64ToBytes(event.raw ?? ""));
    const expected = session.recorded.get(request.requestId);
    await session.call.send(encode(ids, request));
    const digest = session.digests.get(request.requestId);
    if (digest !== undefined) {
      const { response } = await answerTo(session, request.requestId);
      assert.ok(response?.kind === "getContent", where);
      assert.equal(createHash("sha256").update(response.body.data).digest("hex"), digest);
      compared++;
    }
    if (expected === undefined) continue;
    const found = await answerTo(session, request.requestId);
    ids.learn(expected, found);
    assert.deepEqual(comparable(ids.ours(found)), comparable(expected), where);
    compared++;
  }
  assert.equal(compared, trace.events.filter(({ dir }) => dir === "s2c").length);
  assert.equal(server.log.messages("error").length, 0);
});

/** Answers come in any order; those to requests that the recording has no answer to are passed over. */
async function answerTo({ answers }: Session, requestId: bigint): Promise<SessionResponse> {
  for (;;) {
    const next = await answers.next();
    assert.ok(next.done !== true);
    const found = decodeResponse(next.value);
    if (found.requestId === requestId) return found;
  }
}

/** Our IDs of manifests by the recorded ones. */
class Ids {
  readonly #ours = new Map<string, string>();
  readonly #recorded = new Map<string, string>();

  toOurs(id: string): string {
    return this.#ours.get(id) ?? id;
  }

  learn(recorded: SessionResponse, ours: SessionResponse): void {
    for (const [i, id] of idsOf(recorded).entries()) {
      const own = idsOf(ours)[i];
      if (own === undefined || this.#ours.has(id)) continue;
      this.#ours.set(id, own);
      this.#recorded.set(own, id);
    }
  }

  /** The answer with recorded IDs, as plain data. */
  ours(answer: SessionResponse): unknown {
    return plain(answer, (id) => this.#recorded.get(id) ?? id);
  }
}

function idsOf({ response }: SessionResponse): readonly string[] {
  if (response?.kind === "putManifest") return [response.body.manifestId];
  if (response?.kind === "findManifests") return response.body.metadata.map(({ id }) => id);
  return [];
}

function encode(ids: Ids, { requestId, request }: SessionRequest): readonly Uint8Array[] {
  assert.ok(request !== undefined);
  if (request.kind === "getManifest" || request.kind === "deleteManifest") {
    const manifestId = ids.toOurs(request.body.manifestId);
    return encodeRequest(requestId, { kind: request.kind, body: { manifestId } });
  }
  return encodeRequest(requestId, request);
}

function comparable(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(plain(answer, (id) => id)));
}

/** Without what is by chance (times, places of contents, stored lengths), and what kopia does not know. */
function plain(value: unknown, idOf: (id: string) => string): unknown {
  if (value instanceof Uint8Array) return value.length > 5000 ? value.length : bytesOf(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map((item: unknown) => plain(item, idOf));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key]) => !LEFT_OUT.has(key))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => [key, typeof item === "string" ? idOf(item) : plain(item, idOf)]);
  return Object.fromEntries(entries);
}

const LEFT_OUT: ReadonlySet<string> = new Set([
  "modTimeNanos",
  "timestampSeconds",
  "packBlobId",
  "packOffset",
  "packedLength",
  "sejfBatches",
  "sejfUpgrades",
]);

function bytesOf(bytes: Uint8Array): string {
  try {
    return bytesToUtf8(bytes);
  } catch {
    return Buffer.from(bytes).toString("hex");
  }
}

function headersOf(event: TraceEvent): Record<string, string> {
  const { "user-agent": _, ...headers } = event.headers ?? {};
  return headers;
}

function recordedAnswers(trace: Trace, session: number): Map<bigint, SessionResponse> {
  const answers = trace.events
    .filter((event) => event.session === session && event.dir === "s2c" && event.raw)
    .map((event) => decodeResponse(base64ToBytes(event.raw ?? "")));
  return new Map(answers.map((answer) => [answer.requestId, answer]));
}

function recordedDigests(trace: Trace, session: number): Map<bigint, string> {
  const digests = new Map<bigint, string>();
  for (const event of trace.events) {
    const digest = event.message?.getContent?.dataSha256;
    if (event.session !== session || event.dir !== "s2c" || event.raw || digest === undefined)
      continue;
    digests.set(BigInt(event.message?.requestId ?? 0), digest);
  }
  return digests;
}

function secretOf(trace: Trace): Uint8Array {
  for (const { dir, raw } of trace.events) {
    if (dir !== "s2c") continue;
    const { response } = decodeResponse(base64ToBytes(raw ?? ""));
    if (response?.kind === "initializeSession")
      return response.body.parameters?.hmacSecret ?? new Uint8Array(0);
  }
  throw new Error("the recording has no beginning");
}

/** The first secret that is drawn is the repository's for names of contents. */
function randomWithSecret(secret: Uint8Array): Random {
  const random = new SeededRandom(5);
  let isFirst = true;
  return {
    bytes: (length) => {
      const drawn = random.bytes(length);
      if (isFirst) drawn.set(secret);
      isFirst = false;
      return drawn;
    },
  };
}
