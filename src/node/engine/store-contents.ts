/** Contents that came from elsewhere, in a thread: each is named, and stored if nobody has it. */
import type { ContentStorer } from "./content-storer.ts";
import type { ContentsJob, ContentsReply } from "./protocol.ts";

export async function storeContents(
  { job, nowS, bytes, lengths, compressors, evenly }: ContentsJob,
  storer: ContentStorer,
  hashBytes: number,
): Promise<ContentsReply> {
  const hashes = new Uint8Array(lengths.length * hashBytes);
  const isNew = new Uint8Array(lengths.length);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    if (!storer.hasRoom(length)) await storer.makeRoom(length);
    const data = bytes.subarray(at, at + length);
    if (evenly) storer.storeEvenly(data, compressors[i]!, nowS);
    else storer.store(data, compressors[i]!, nowS);
    at += length;
    hashes.set(storer.outcome.hash, i * hashBytes);
    if (storer.outcome.isNew) isNew[i] = 1;
  }
  return { op: "contents", job, bytes, hashes, isNew };
}
