/**
 * Rates of the thread engine alone: upload and restore of the datasets, without index blobs, manifests or listings.
 *
 *     node bench/engine.ts [random|small|log …] [--threads=N] [--hash=NAME] [--rounds=N] [--restore-to=FOLDER]
 */
import { mkdirSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import type { BlobId } from "../src/blob/index.ts";
import type { OwnedBytes } from "../src/bytes/index.ts";
import { compressorByName } from "../src/compress/index.ts";
import {
  type FileBatch,
  type FileJob,
  openIndex,
  type RestoreBatch,
  type RestoreJob,
} from "../src/format/index.ts";
import {
  type BulkEngine,
  createBulkEngine,
  defaultThreads,
  joinLocal,
  nodeCompressionEngine,
  readDirectory,
} from "../src/node/index.ts";
import { FolderHost } from "../src/testkit/bulk-host.ts";
import { type Dataset, type DatasetName, dataset } from "./datasets.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string" },
    hash: { type: "string", default: "BLAKE3-256" },
    rounds: { type: "string", default: "3" },
    "restore-to": { type: "string" },
    "no-restore": { type: "boolean", default: false },
    "no-sync": { type: "boolean", default: false },
  },
});
const threads = values.threads === undefined ? defaultThreads() : Number(values.threads);
const names = (positionals.length > 0 ? positionals : ["random", "small", "log"]) as DatasetName[];

/** As a real store does it: written, synced, entries kept. */
class SyncingHost extends FolderHost {
  override async storePack(
    packId: BlobId,
    bytes: Uint8Array,
    localIndex: OwnedBytes,
  ): Promise<void> {
    const file = await open(this.path(packId), "w");
    for (let at = 0; at < bytes.length; )
      at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
    if (!values["no-sync"]) await file.datasync();
    await file.close();
    for (const entry of openIndex(localIndex).entries()) this.entries.set(entry.contentId, entry);
    this.packs.push(packId);
  }
}

interface Measured {
  readonly wallS: number;
  readonly cpuS: number;
}

async function measure(work: () => Promise<void>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { wallS: (performance.now() - start) / 1000, cpuS: (user + system) / 1e6 };
}

interface Uploaded {
  readonly batches: FileBatch[];
  readonly restores: RestoreBatch[];
  bytes: number;
}

async function* walk(
  folder: string,
  compressor: number | undefined,
  uploaded: Uploaded,
): AsyncGenerator<FileBatch> {
  const pending = [folder];
  let job = 0;
  while (pending.length > 0) {
    const directory = pending.pop() as string;
    const files: FileJob[] = [];
    for (const { name, stat } of readDirectory(directory)) {
      if (stat?.kind === "directory") pending.push(joinLocal(directory, name) as string);
      else if (stat?.kind === "file") files.push({ job: job++, name, expected: stat, compressor });
    }
    const batch = { directory, files };
    uploaded.batches.push(batch);
    yield batch;
  }
}

async function upload(
  engine: BulkEngine,
  { path }: Dataset,
  compressor: number | undefined,
): Promise<Uploaded> {
  const uploaded: Uploaded = { batches: [], restores: [], bytes: 0 };
  const pieces: RestoreJob["pieces"][] = [];
  for await (const page of engine.writeFiles(walk(path, compressor, uploaded))) {
    for (const result of page) {
      if (!result.ok) throw new Error(result.message);
      pieces[result.job] = result.pieces;
      uploaded.bytes += result.sizeBytes;
    }
  }
  await engine.drain();
  const options = {
    overwrite: false,
    atomically: false,
    sparse: false,
    fsync: false,
    ignorePermissionErrors: false,
  };
  for (const { directory, files } of uploaded.batches) {
    const jobs = files.map(({ job, name, expected }): RestoreJob => {
      const { mode, uid, gid, mtimeNs, sizeBytes } = expected;
      return {
        job,
        name,
        pieces: pieces[job] ?? [],
        sizeBytes,
        attributes: { mode, owner: { uid, gid }, mtimeNs },
        options,
      };
    });
    uploaded.restores.push({ directory, files: jobs });
  }
  return uploaded;
}

async function restore(
  engine: BulkEngine,
  source: string,
  target: string,
  { restores }: Uploaded,
): Promise<void> {
  async function* batches(): AsyncGenerator<RestoreBatch> {
    for (const { directory, files } of restores) {
      const out = join(target, relative(source, directory as string));
      mkdirSync(out, { recursive: true });
      yield { directory: out, files };
    }
  }
  for await (const page of engine.restoreFiles(batches())) {
    for (const result of page) if (!result.ok) throw new Error(result.message);
  }
}

async function round(data: Dataset): Promise<void> {
  const folder = join(tmpdir(), `sejf-bench-${process.pid}`);
  const target = values["restore-to"] ?? join(folder, "restored");
  mkdirSync(join(folder, "packs"), { recursive: true });
  const host = new SyncingHost(join(folder, "packs"));
  const compressor =
    data.name === "log" ? compressorByName("zstd-fastest", nodeCompressionEngine).id : undefined;
  await using engine = createBulkEngine(host, {
    codec: {
      hash: values.hash,
      encryption: "AES256-GCM-HMAC-SHA256",
      ecc: "",
      eccOverheadPercent: 0,
      secret: new Uint8Array(32).fill(1),
      masterKey: new Uint8Array(32).fill(2),
      indexVersion: 2,
    },
    formatVersion: 3,
    maxPackSizeBytes: 20 << 20,
    splitter: "DYNAMIC-4M-BUZHASH",
    threads,
  });
  await startThreads(engine, folder);
  let uploaded: Uploaded | undefined;
  const up = await measure(async () => {
    uploaded = await upload(engine, data, compressor);
  });
  if (uploaded === undefined) return;
  report(data, "upload", up, uploaded.bytes);
  if (!values["no-restore"]) {
    const down = await measure(() => restore(engine, data.path, target, uploaded as Uploaded));
    report(data, "restore", down, uploaded.bytes);
    rmSync(target, { recursive: true, force: true });
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Threads load their modules, which a bundle does faster than the sources. */
async function startThreads(engine: BulkEngine, folder: string): Promise<void> {
  const expected = { sizeBytes: 0, mode: 0, mtimeNs: 0n, uid: 0, gid: 0 };
  async function* batches(): AsyncGenerator<FileBatch> {
    for (let job = 0; job < 2 * threads; job++) {
      const size = { ...expected, sizeBytes: 1 << 20 };
      yield {
        directory: folder,
        files: Array.from({ length: 8 }, (_, i) => ({
          job: 8 * job + i,
          name: "none",
          expected: size,
          compressor: undefined,
        })),
      };
    }
  }
  for await (const _ of engine.writeFiles(batches()));
}

function report({ name }: Dataset, what: string, { wallS, cpuS }: Measured, bytes: number): void {
  const rss = Math.round(process.resourceUsage().maxRSS / 1024);
  const rate = (bytes / 1e6 / wallS).toFixed(0);
  process.stdout.write(
    `${name.padEnd(7)} ${what.padEnd(8)} ${wallS.toFixed(2)} s wall  ${cpuS.toFixed(2)} s CPU  ${rate} MB/s  max RSS ${rss} MiB\n`,
  );
}

for (const name of names) {
  const data = dataset(name);
  process.stdout.write(`${name}: ${data.description}; ${threads} threads, ${values.hash}\n`);
  for (let i = 0; i < Number(values.rounds); i++) await round(data);
}
