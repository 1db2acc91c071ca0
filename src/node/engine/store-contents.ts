/** Contents that came from elsewhere, in a thread: each is named, and stored if nobody has it. */
import type { ContentStorer } from "./content-storer.ts";
import type { ContentsJob, ContentsReply } from "./protocol.ts";

export async function storeContents(
  { job, nowS, bytes, lengths, compressors, evenly }: ContentsJob,
  storer: ContentStorer,
): Promise<ContentsReply> {
  const { hashBytes } = storer;
  const hashes = storer.hashMany(bytes, lengths);
  const isNew = new Uint8Array(lengths.length);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    if (!storer.hasRoom(length)) await storer.makeRoom(length);
    const data = bytes.subarray(at, at + length);
    const hash = hashes.subarray(i * hashBytes, (i + 1) * hashBytes);
    storer.storeNamed({ data, hash, compressor: compressors[i]!, nowS, evenly });
    at += length;
    if (storer.outcome.isNew) isNew[i] = 1;
  }
  return { op: "contents", job, bytes, hashes, isNew };
}
