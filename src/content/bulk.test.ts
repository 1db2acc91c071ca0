import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { listAllBlobs } from "../blob/index.ts";
import { compressorByName, portableCompressionEngine } from "../compress/index.ts";
import type {
  ContentId,
  ContentPiece,
  ContentRef,
  FileBatch,
  FileJob,
  FileResult,
  LocalStat,
  RestoreBatch,
} from "../format/index.ts";
import { type ObjectId, readObject } from "../object/index.ts";
import { TestRepository } from "../testkit/direct-contents.ts";
import { FaultStorage } from "../testkit/fault-storage.ts";
import { SeededRandom } from "../testkit/random.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import type { DirectContents } from "./index.ts";

const ZSTD = compressorByName("zstd-fastest", portableCompressionEngine).id;
const PATHS = { portable: 0, threads: 2 } as const;

function makeTree(folder: string): string[] {
  const random = new SeededRandom(5);
  mkdirSync(folder, { recursive: true });
  const names: string[] = [];
  const add = (name: string, data: Uint8Array): void => {
    writeFileSync(join(folder, name), data);
    names.push(name);
  };
  add("empty", new Uint8Array(0));
  add("zeros", new Uint8Array(5 << 20));
  add("big", random.bytes(9 << 20));
  for (let i = 0; i < 40; i++) add(`random${i}`, random.bytes(random.int(20_000)));
  for (let i = 0; i < 10; i++)
    add(`text${i}`, new TextEncoder().encode(`line ${i}\n`.repeat(5000)));
  add("twin", readFileSync(join(folder, "random1")));
  return names;
}

function jobsOf(folder: string, names: readonly string[]): FileJob[] {
  return names.map((name, job) => ({
    job,
    name,
    expected: statOf(join(folder, name)),
    compressor: ZSTD,
  }));
}

function statOf(path: string): LocalStat {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return {
    sizeBytes: Number(stat?.size ?? 0n),
    mode: Number(stat?.mode ?? 0o100644n),
    mtimeNs: stat?.mtimeNs ?? 0n,
    uid: Number(stat?.uid ?? 0n),
    gid: Number(stat?.gid ?? 0n),
  };
}

async function upload(
  contents: DirectContents,
  folder: string,
  names: readonly string[],
): Promise<Map<number, FileResult>> {
  async function* batches(): AsyncGenerator<FileBatch> {
    yield { directory: folder, files: jobsOf(folder, names) };
  }
  const results = new Map<number, FileResult>();
  for await (const page of contents.writeFiles(batches()))
    for (const result of page) results.set(result.job, result);
  return results;
}

function piecesOf(result: FileResult | undefined): readonly ContentPiece[] {
  assert.ok(result?.ok === true, inspect(result));
  return result.pieces;
}

async function restore(
  contents: DirectContents,
  folder: string,
  names: readonly string[],
  results: ReadonlyMap<number, FileResult>,
): Promise<void> {
  async function* batches(): AsyncGenerator<RestoreBatch> {
    yield {
      directory: folder,
      files: names.map((name, job) => {
        const pieces = piecesOf(results.get(job));
        return {
          job,
          name,
          pieces,
          sizeBytes: pieces.reduce((sum, piece) => sum + piece.lengthBytes, 0),
          attributes: { mode: 0o640, mtimeNs: 1_600_000_000_123_456_789n },
          options: {
            overwrite: false,
            atomically: false,
            sparse: name === "zeros",
            fsync: false,
            ignorePermissionErrors: false,
          },
        };
      }),
    };
  }
  for await (const page of contents.restoreFiles(batches())) {
    for (const result of page) assert.ok(result.ok, inspect(result));
  }
}

for (const version of [1, 3]) {
  test(`format ${version}: files through threads and without them have the same contents, and are restored by either`, async () => {
    await using folder = await temporaryDirectory("bulk");
    const source = join(folder.path, "source");
    const names = makeTree(source);
    const uploads: Map<number, FileResult>[] = [];
    for (const [path, threads] of Object.entries(PATHS)) {
      // One after the other into stores of their own, so that nothing is known beforehand.
      const own = new TestRepository({ format: { version, splitter: "DYNAMIC-1M-BUZHASH" } });
      await using contents = await own.open({ threads });
      const results = await upload(contents, source, names);
      await contents.flush();
      uploads.push(results);
      for (const [other, restoring] of Object.entries(PATHS)) {
        await using reader = await own.open({ threads: restoring });
        const target = join(folder.path, `${path}-${other}-${version}`);
        mkdirSync(target);
        await restore(reader, target, names, results);
        for (const name of names) {
          assert.deepEqual(
            readFileSync(join(target, name)),
            readFileSync(join(source, name)),
            name,
          );
          assert.equal(statSync(join(target, name)).mode & 0o777, 0o640);
        }
        assert.deepEqual((await reader.verify({ fullPercent: 100 })).problems, []);
        rmSync(target, { recursive: true });
      }
    }
    const [portable, threads] = uploads;
    for (const [job, result] of portable ?? []) {
      assert.deepEqual(piecesOf(threads?.get(job)), piecesOf(result), String(names[job]));
      assert.equal(
        piecesOf(result).reduce((sum, piece) => sum + piece.lengthBytes, 0),
        statSync(join(source, names[job] ?? "")).size,
      );
    }
  });
}

for (const [path, threads] of Object.entries(PATHS)) {
  test(`${path}: what is known is not stored again, from files or from writes`, async () => {
    await using folder = await temporaryDirectory("bulk");
    const names = makeTree(folder.path);
    const repository = new TestRepository();
    await using contents = await repository.open({ threads });
    const twin = await contents.write(readFileSync(join(folder.path, "twin")), { prefix: "" });
    const first = await upload(contents, folder.path, names);
    const again = await upload(contents, folder.path, names);
    const newBytes = (results: ReadonlyMap<number, FileResult>): number =>
      [...results.values()].reduce((sum, result) => sum + (result.ok ? result.newBytes : 0), 0);
    assert.equal(newBytes(again), 0);
    assert.equal(piecesOf(first.get(names.indexOf("twin")))[0]?.ref, twin);
    assert.ok(
      (await contents.read(piecesOf(first.get(names.indexOf("big")))[0]?.ref as ContentRef))
        .byteLength > 0,
      "readable before the flush",
    );
    await contents.flush();
    await using other = await repository.open({ threads });
    assert.equal(newBytes(await upload(other, folder.path, names)), 0);
    const packs = await listAllBlobs(repository.storage, "p");
    await other.flush();
    assert.equal((await listAllBlobs(repository.storage, "p")).length, packs.length);
    // Threads may hold packs that they have not begun to fill; at the end these count no more.
    await contents.close();
    await other.close();
    assert.deepEqual(await listAllBlobs(repository.storage, "s"), []);
  });

  test(`${path}: a content that was deleted is stored again, in the same run too`, async () => {
    await using folder = await temporaryDirectory("bulk");
    const names = makeTree(folder.path);
    const repository = new TestRepository();
    await using contents = await repository.open({ threads });
    const first = await upload(contents, folder.path, names);
    const ref = piecesOf(first.get(names.indexOf("random3")))[0]?.ref as ContentRef;
    await contents.delete(ref as string as ContentId);
    await upload(contents, folder.path, names);
    await contents.flush();
    await using other = await repository.open();
    assert.notEqual(await other.stat(ref), undefined);
    await contents.delete(ref as string as ContentId);
    await contents.flush();
    await upload(contents, folder.path, names);
    await contents.flush();
    await other.refresh();
    assert.notEqual(await other.stat(ref), undefined);
  });

  test(`${path}: a file that is gone, unreadable or a directory is a result; the others are stored`, async () => {
    await using folder = await temporaryDirectory("bulk");
    const names = makeTree(folder.path);
    mkdirSync(join(folder.path, "directory"));
    const repository = new TestRepository();
    await using contents = await repository.open({ threads });
    const results = await upload(contents, folder.path, [...names, "absent", "directory"]);
    const absent = results.get(names.length);
    assert.ok(
      absent?.ok === false && absent.vanished && absent.code === "SEJF_SOURCE",
      inspect(absent),
    );
    assert.equal(results.get(names.length + 1)?.ok, false);
    for (const job of names.keys()) piecesOf(results.get(job));
  });

  test(`${path}: a pack that the store refuses is stored by a later flush`, async () => {
    await using folder = await temporaryDirectory("bulk");
    const names = makeTree(folder.path);
    const repository = new TestRepository();
    const faulty = new FaultStorage(repository.storage, {
      on: "put",
      id: /^p/,
      times: 2,
      fault: { kind: "disk-full" },
    });
    await using contents = await repository.open({ threads, storage: faulty });
    const results = await upload(contents, folder.path, names);
    for (let failures = 0; ; failures++) {
      assert.ok(failures < 3);
      try {
        await contents.flush();
        break;
      } catch (error) {
        assert.equal((error as { code?: string }).code, "SEJF_NO_SPACE");
      }
    }
    await using other = await repository.open();
    for (const result of results.values())
      for (const { ref } of piecesOf(result)) assert.notEqual(await other.stat(ref), undefined);
    assert.deepEqual((await other.verify({ fullPercent: 100 })).problems, []);
  });
}

for (const [path, threads] of Object.entries(PATHS)) {
  test(`${path}: an object that claims to be small and decompresses to a flood is refused`, async () => {
    await using folder = await temporaryDirectory();
    const repository = new TestRepository();
    await using contents = await repository.open({ threads });
    const { compression } = contents;
    const flood = new Uint8Array(64 << 20);
    const bomb = compressorByName("zstd", compression).compress(flood);
    assert.ok(bomb.length < 100_000);
    const ref = await contents.write(bomb, { prefix: "" });
    await contents.flush();
    const lengthBytes = 5;
    async function* batches(): AsyncGenerator<RestoreBatch> {
      yield {
        directory: folder.path,
        files: [
          {
            job: 0,
            name: "f",
            pieces: [{ ref, lengthBytes, objectCompressed: true }],
            sizeBytes: lengthBytes,
            attributes: {},
            options: {
              overwrite: true,
              atomically: false,
              sparse: false,
              fsync: false,
              ignorePermissionErrors: true,
            },
          },
        ],
      };
    }
    for await (const page of contents.restoreFiles(batches()))
      for (const result of page) assert.equal(result.ok ? "ok" : result.code, "SEJF_CORRUPT");
    assert.deepEqual(readdirSync(folder.path), []);
    const object = `Z${ref}` as ObjectId;
    await assert.rejects(readObject(contents, object, 1000), { code: "SEJF_CORRUPT" });
  });
}
