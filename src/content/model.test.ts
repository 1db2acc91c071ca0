/**
 * Two writers and a store that fails and dies, against a map: whatever the order of commands, every client sees what
 * the merge rule says, and what was flushed is never lost.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BlobStorage } from "../blob/index.ts";
import type { ContentId, ContentRef } from "../format/index.ts";
import { allContents, TestRepository } from "../testkit/direct-contents.ts";
import { type CallKind, FaultStorage } from "../testkit/fault-storage.ts";
import { numRuns } from "../testkit/property.ts";
import type { DirectContents, PlanLimits } from "./index.ts";

const CONTENTS = 8;
const STEP_MS = 2000;

/** Everything goes to files, or into one merged file, although the indexes are tiny. */
const TINY: PlanLimits = { smallBytes: 200, memoryBytes: 400, files: 2 };

interface Entry {
  readonly timestampS: number;
  readonly deleted: boolean;
}

type State = Map<number, Entry>;

function merged(into: State, from: State): State {
  const all = new Map(into);
  for (const [number, entry] of from) {
    const before = all.get(number);
    const wins =
      before === undefined ||
      entry.timestampS > before.timestampS ||
      (entry.timestampS === before.timestampS && before.deleted && !entry.deleted);
    if (wins) all.set(number, entry);
  }
  return all;
}

class Client {
  contents: DirectContents | undefined;
  seen: State = new Map();
  pending: State = new Map();
}

class Model {
  readonly repository: TestRepository;
  readonly clients = [new Client(), new Client()];
  durable: State = new Map();
  readonly faulty: FaultStorage[] = [];

  constructor(version: number) {
    this.repository = new TestRepository({ format: { version } });
  }

  async open(number: number): Promise<void> {
    const client = this.client(number);
    const storage = new FaultStorage(this.repository.storage);
    this.faulty[number] = storage;
    client.contents = await this.openOn(storage, number === 0 ? undefined : TINY);
    client.seen = new Map(this.durable);
    client.pending = new Map();
  }

  async openOn(storage: BlobStorage, indexLimits?: PlanLimits): Promise<DirectContents> {
    return await this.repository.open({ storage, indexLimits });
  }

  client(number: number): Client {
    return this.clients[number] as Client;
  }

  contents(number: number): DirectContents {
    return this.client(number).contents as DirectContents;
  }

  nowS(): number {
    return Math.floor(this.repository.clock.nowMs() / 1000);
  }

  async close(): Promise<void> {
    for (const client of this.clients) await client.contents?.close();
  }
}

function data(number: number): Uint8Array {
  return new TextEncoder().encode(`content number ${number}`);
}

function prefix(number: number): string {
  return number % 2 === 0 ? "" : "k";
}

type Command =
  | {
      readonly op: "put" | "delete" | "undelete" | "rewrite";
      readonly client: number;
      readonly content: number;
    }
  | { readonly op: "flush" | "refresh" | "crash" | "tidy"; readonly client: number }
  | {
      readonly op: "faults";
      readonly client: number;
      readonly on: CallKind | "any";
      readonly at: number;
      readonly after: boolean;
    }
  | { readonly op: "die"; readonly client: number; readonly at: number; readonly after: boolean }
  | { readonly op: "day" };

const client = fc.nat(1);
const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("put" as const),
      client,
      content: fc.nat(CONTENTS - 1),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom("delete" as const, "undelete" as const, "rewrite" as const),
      client,
      content: fc.nat(CONTENTS - 1),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom(
        "flush" as const,
        "flush" as const,
        "refresh" as const,
        "crash" as const,
        "tidy" as const,
      ),
      client,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("faults" as const),
      client,
      on: fc.constantFrom("any" as const, "put" as const, "list" as const, "get" as const),
      at: fc.integer({ min: 1, max: 12 }),
      after: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("die" as const),
      client,
      at: fc.integer({ min: 1, max: 14 }),
      after: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ op: "day" as const }) },
);

async function run(model: Model, command: Command): Promise<void> {
  model.repository.clock.advance(STEP_MS);
  switch (command.op) {
    case "put":
    case "delete":
    case "undelete":
    case "rewrite":
      return await change(model, command.client, command.content, command.op);
    case "flush":
      return await flush(model, command.client);
    case "refresh":
      await model.contents(command.client).refresh();
      model.client(command.client).seen = new Map(model.durable);
      return;
    case "crash":
      return await model.open(command.client);
    case "tidy":
      await model.contents(command.client).maintainIndexes({ cleanup: true });
      model.client(command.client).seen = new Map(model.durable);
      return;
    case "faults":
      return await flushWithFaults(model, command);
    case "die":
      return await dieInFlush(model, command);
    case "day":
      for (const number of [0, 1]) await flush(model, number);
      model.repository.clock.advance(25 * 3_600_000);
      // Else the next change would publish by itself what is pending.
      for (const number of [0, 1]) await flush(model, number);
      for (const number of [0, 1]) await run(model, { op: "refresh", client: number });
  }
}

async function change(
  model: Model,
  number: number,
  content: number,
  op: "put" | "delete" | "undelete" | "rewrite",
): Promise<void> {
  const { seen, pending } = model.client(number);
  const contents = model.contents(number);
  const before = merged(seen, pending).get(content);
  const id = contents.contentId(data(content), prefix(content));
  const timestampS = Math.max(model.nowS(), (before?.timestampS ?? -1) + 1);
  if (op === "put") {
    await contents.write(data(content), { prefix: prefix(content) });
    if (before?.deleted !== false) pending.set(content, { timestampS, deleted: false });
    return;
  }
  if (before === undefined) {
    const call = op === "rewrite" ? contents.rewrite([[id]]) : contents[op](id);
    return await assert.rejects(call, { code: "SEJF_CONTENT_NOT_FOUND" });
  }
  if (op === "rewrite") {
    await contents.rewrite([[id]]);
    pending.set(
      content,
      before.deleted
        ? { timestampS: timestampS + 1, deleted: true }
        : { timestampS, deleted: false },
    );
    return;
  }
  await contents[op](id);
  if (before.deleted === (op === "undelete"))
    pending.set(content, { timestampS, deleted: op === "delete" });
}

async function flush(model: Model, number: number): Promise<void> {
  const owner = model.client(number);
  await model.contents(number).flush();
  if (owner.pending.size > 0) {
    model.durable = merged(model.durable, owner.pending);
    owner.seen = new Map(model.durable);
    owner.pending = new Map();
  }
}

async function flushWithFaults(
  model: Model,
  command: Extract<Command, { op: "faults" }>,
): Promise<void> {
  const storage = model.faulty[command.client] as FaultStorage;
  storage.add({
    on: command.on,
    at: command.at,
    times: 2,
    fault: { kind: command.after ? "fail-after" : "fail" },
  });
  for (let attempt = 0; ; attempt++) {
    try {
      await flush(model, command.client);
      break;
    } catch (error) {
      assert.ok(attempt < 4, String(error));
    }
  }
  storage.heal();
}

/** All of what was pending became durable, or nothing of it. */
async function dieInFlush(model: Model, command: Extract<Command, { op: "die" }>): Promise<void> {
  const storage = model.faulty[command.client] as FaultStorage;
  const { pending } = model.client(command.client);
  storage.add({ on: "any", at: command.at, fault: { kind: "die", after: command.after } });
  await model
    .contents(command.client)
    .flush()
    .catch(() => undefined);
  storage.die();
  const reader = await model.openOn(model.repository.storage);
  const before = await stateOf(reader);
  await reader.close();
  const [old, whole] = [visible(model.durable), visible(merged(model.durable, pending))];
  if (!equal(before, old)) {
    assert.deepEqual(before, whole);
    model.durable = merged(model.durable, pending);
  } else if (equal(old, whole)) {
    // Whether the entries are there decides later ties only; ask for their times.
    if (await isDurable(model, pending)) model.durable = merged(model.durable, pending);
  }
  await model.open(command.client);
}

async function isDurable(model: Model, pending: State): Promise<boolean> {
  const reader = await model.openOn(model.repository.storage);
  const [first] = pending;
  const info =
    first === undefined
      ? undefined
      : await reader.info(reader.contentId(data(first[0]), prefix(first[0])));
  await reader.close();
  return info !== undefined && info.timestampS === first?.[1].timestampS;
}

function visible(state: State): ReadonlyMap<number, boolean> {
  return new Map(
    [...state]
      .map(([number, { deleted }]): [number, boolean] => [number, deleted])
      .toSorted(([a], [b]) => a - b),
  );
}

function equal(a: ReadonlyMap<number, boolean>, b: ReadonlyMap<number, boolean>): boolean {
  return a.size === b.size && [...a].every(([number, deleted]) => b.get(number) === deleted);
}

/** What a client sees, by number, and that it can be read. */
async function stateOf(contents: DirectContents): Promise<ReadonlyMap<number, boolean>> {
  const byId = new Map<ContentId, number>();
  for (let number = 0; number < CONTENTS; number++)
    byId.set(contents.contentId(data(number), prefix(number)), number);
  const seen: [number, boolean][] = [];
  for (const info of await allContents(contents, { includeDeleted: true })) {
    assert.ok(info !== undefined);
    const number = byId.get(info.id);
    assert.ok(number !== undefined, `content ${info.id} was never written`);
    assert.deepEqual(await contents.read(info.id as string as ContentRef), data(number));
    assert.equal((await contents.info(info.id))?.deleted, info.deleted);
    seen.push([number, info.deleted]);
  }
  return new Map(seen.toSorted(([a], [b]) => a - b));
}

for (const version of [1, 3]) {
  test(`format ${version}: any history of two writers, faults and crashes agrees with a map`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(commands, { minLength: 1, maxLength: 40 }), async (history) => {
        const model = new Model(version);
        try {
          for (const number of [0, 1]) await model.open(number);
          for (const command of history) {
            await run(model, command);
            for (const number of [0, 1]) {
              const { seen, pending } = model.client(number);
              assert.deepEqual(
                await stateOf(model.contents(number)),
                visible(merged(seen, pending)),
              );
            }
          }
          const reader = await model.openOn(model.repository.storage, TINY);
          assert.deepEqual(await stateOf(reader), visible(model.durable));
          assert.deepEqual(
            (await reader.verify({ includeDeleted: true, fullPercent: 100 })).problems,
            [],
          );
          await reader.close();
        } finally {
          await model.close();
        }
      }),
      { numRuns: numRuns(20) },
    );
  });
}
