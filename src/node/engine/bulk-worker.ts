/**
 * A bulk thread: does one job after the other, in the order they were posted. Pack buffers are granted meanwhile,
 * since a job may wait for one. It never asks the network or the main thread for data.
 */
import { parentPort } from "node:worker_threads";
import { assert, errorFromUnknown, isSejfError } from "../../errors/index.ts";
import { nodeCompressionEngine } from "../compress/index.ts";
import { loadOpenSsl } from "../crypto/index.ts";
import { loadKoffi } from "../native.ts";
import { ClaimTable } from "./claim-table.ts";
import { ContentOpener } from "./content-opener.ts";
import { ContentStorer, type PieceOutcome } from "./content-storer.ts";
import { FileRecordWriter } from "./file-records.ts";
import { openThreadIndex } from "./thread-index.ts";
import { createStages } from "./stages.ts";
import { createThreadTools } from "./thread-tools.ts";
import { EngineMemory } from "./memory.ts";
import { PackWriter } from "./pack-writer.ts";
import type {
  JobReply,
  RangeColumn,
  ReadReply,
  SegmentJob,
  SegmentReply,
  ThreadJob,
} from "./protocol.ts";
import { restoreFiles, restorePieces, verifyPieces } from "./restore-files.ts";
import { SealingStorer } from "./sealing-storer.ts";
import { storeContents } from "./store-contents.ts";
import { storeFiles, type StoreFilesTools } from "./store-files.ts";
import { ThreadPort } from "./thread-port.ts";

assert(parentPort !== null, "a bulk thread is started by the engine");
const port = new ThreadPort(parentPort);
// Loading it takes as long as everything before.
loadKoffi();
const data = await port.begun;
const memory = new EngineMemory(data.plan, data.memory);
const scratch = memory.scratch(data.thread);
const tools = createThreadTools(memory, data.thread, data.codec, data.sealing?.cuts);
const { codec, begin, sealInto, decryptInto } = createStages(data, tools);
const packs = new PackWriter({
  begin,
  memory,
  maxPackSizeBytes: data.maxPackSizeBytes,
  post: (message, transfer) => port.post(message, transfer),
});
const storer = new ContentStorer({
  codec,
  compression: nodeCompressionEngine,
  leavesCompression: data.stages === "remote",
  formatVersion: data.formatVersion,
  claims: ClaimTable.fromDescriptor(data.claims),
  packs,
  spare: memory.spare(data.thread),
  sealInto,
});
const sealer =
  data.sealing === undefined
    ? undefined
    : new SealingStorer({
        storer,
        engine: tools.engine,
        compression: nodeCompressionEngine,
        sealing: data.sealing,
      });
const opener = new ContentOpener({
  codec,
  compression: nodeCompressionEngine,
  decryptInto,
  memory,
  scratch,
});
// At once: until then each content would leave memory behind for the collector.
if (data.stages === "direct" || sealer !== undefined) loadOpenSsl();
storer.useIndex(openThreadIndex(data.index));

const storing: StoreFilesTools = {
  storer,
  sealer,
  scratch,
  spare: memory.spare(data.thread),
  split: tools.split,
  records: new FileRecordWriter(codec.hash.lengthBytes),
};

let last: Promise<void> = Promise.resolve();
let isEnding = false;
port.listen((message) => {
  if (message.op === "pack") packs.grant(message);
  else if (message.op === "end") isEnding = true;
  else last = last.then(() => run(message));
});

async function run(job: ThreadJob): Promise<void> {
  if (isEnding) return;
  try {
    const reply = await perform(job);
    port.post(reply, transferOf(reply));
  } catch (error) {
    const cause =
      error instanceof Error && error.cause !== undefined && !isSejfError(error)
        ? error.cause
        : error;
    const { code, message } = errorFromUnknown(cause, "in a bulk thread");
    port.post({ op: "failed", job: job.job, code, message, claimLost: storer.claimLost });
  }
}

function transferOf(reply: JobReply): ArrayBuffer[] {
  if (reply.op === "files") return [reply.records.buffer];
  if (reply.op === "read") return reply.memory?.map(({ buffer }) => buffer) ?? [];
  return reply.op === "contents" ? [reply.bytes.buffer] : [];
}

/** What was lent to the job goes back. */
function givingBack(reply: ReadReply, { isLent, data: lent }: RangeColumn): ReadReply {
  if (isLent !== true) return reply;
  return { ...reply, memory: lent.filter((bytes) => bytes !== undefined) };
}

async function perform(job: ThreadJob): Promise<JobReply> {
  switch (job.op) {
    case "files":
      return storeFiles(job, storing);
    case "segment":
      return job.sealed ? sealSegment(job) : storeSegment(job);
    case "contents":
      return storeContents(job, storer);
    case "drain":
      packs.finish();
      return { op: "done", job: job.job };
    case "index":
      storer.useIndex(openThreadIndex(job.index));
      return { op: "done", job: job.job };
    case "verify":
      return givingBack(verifyPieces(job, opener), job.ranges);
    case "restore":
      return givingBack(restoreFiles(job, opener), job.ranges);
    case "pieces":
      return givingBack(restorePieces(job, opener), job.ranges);
  }
}

async function storeSegment(job: SegmentJob): Promise<SegmentReply> {
  const { slot, lengthBytes, compressor, nowS } = job;
  const segment = memory.slot(slot).subarray(0, lengthBytes);
  const isLeft = data.stages === "remote" && (codec.indexVersion > 1 || compressor === 0);
  if (isLeft) storer.claim(segment);
  else {
    if (!storer.hasRoom(lengthBytes)) await storer.makeRoom(lengthBytes);
    storer.store(segment, compressor, nowS);
  }
  return segmentReply(job, storer.outcome, isLeft);
}

async function sealSegment(job: SegmentJob): Promise<SegmentReply> {
  assert(sealer !== undefined, "a thread that seals has the secrets for it");
  const { slot, lengthBytes, compressor, nowS } = job;
  const segment = memory.slot(slot).subarray(0, lengthBytes);
  if (!sealer.hasRoom(lengthBytes)) await sealer.makeRoom(lengthBytes);
  const chunk = sealer.seal(segment, compressor, { spare: scratch, mayOverwrite: true });
  const isLeft = data.stages === "remote" && chunk.isInPlace;
  if (isLeft) sealer.claim(chunk);
  else sealer.storeSealed(chunk, nowS);
  return segmentReply(job, sealer.outcome, isLeft);
}

function segmentReply(
  { job }: SegmentJob,
  { hash, isNew, objectCompressed, seal }: PieceOutcome,
  isLeft: boolean,
): SegmentReply {
  const hex = Buffer.from(hash).toString("hex");
  const written =
    seal === undefined
      ? undefined
      : {
          keyText: Buffer.from(seal.key).toString("base64url"),
          sealedBytes: seal.sealedBytes,
        };
  return { op: "segment", job, hash: hex, isNew, objectCompressed, seal: written, isLeft };
}
