/**
 * Requests about contents. What an account does not hold is, for it, not there: neither answers nor what they tell
 * distinguish "nobody has it" from "somebody else has it". Spec: kopia-server 4, 4.1.
 *
 * SECURITY: times, packs and stored lengths tell that somebody else stored a content before, and how; they are told only
 * where all accounts may see all contents.
 */
import { single } from "../../bytes/index.ts";
import type { ContentInfo, ReadIntoOptions } from "../../content/index.ts";
import { SejfError } from "../../errors/index.ts";
import {
  type ContentId,
  contentPrefix,
  MANIFEST_PREFIX,
  parseContentId,
} from "../../format/index.ts";
import type { RequestContext, SessionHandlers } from "../../rpc/index.ts";
import { isOuterPart } from "./outer-part.ts";
import { accessDenied, type AccountSession } from "./account-session.ts";
import { writingHandlers } from "./content-writing.ts";
import type { SessionParts } from "./session-parts.ts";

/** What one request may bring into the cache. */
const MAX_PREFETCH_BYTES = 256 << 20;
const PREFETCH_PAGE = 100;

export function contentHandlers(
  session: AccountSession,
  parts: SessionParts,
): ReadingHandlers & WritingHandlers & Pick<SessionHandlers, "getCapacity"> {
  const { repository } = parts.options;
  return {
    ...readingHandlers(session, parts),
    ...writingHandlers(session, parts),
    getCapacity: async (_body, { signal }) => {
      session.assertContents("READ");
      const capacity = await repository.storage.capacity?.({ signal });
      if (capacity === undefined)
        throw new SejfError("SEJF_UNSUPPORTED", "the storage does not know how much it holds");
      const { totalBytes, freeBytes } = capacity;
      return { capacity: { sizeBytes: BigInt(totalBytes), freeBytes: BigInt(freeBytes) } };
    },
  };
}

type WritingHandlers = ReturnType<typeof writingHandlers>;
type ReadingHandlers = Pick<SessionHandlers, "getContentInfo" | "getContent" | "prefetchContents">;

function readingHandlers(session: AccountSession, parts: SessionParts): ReadingHandlers {
  const { repository, holdings } = parts.options;
  const { contents } = repository;
  return {
    getContentInfo: async ({ contentId }, context) => {
      session.assertContents("READ");
      const info = await mustSee(session, parts, parseContentId(contentId), context);
      const isOpen = holdings.mode === "any";
      // Its pack may be removed at any time: a client that is told of it would not send it again.
      if (info.deleted && !isOpen) throw contentNotFound();
      return {
        info: {
          id: info.id,
          packedLength: isOpen ? info.packedLength : info.originalLength,
          timestampSeconds: isOpen ? BigInt(info.timestampS) : 0n,
          packBlobId: isOpen ? info.packId : "",
          packOffset: isOpen ? info.packOffset : 0,
          deleted: info.deleted,
          formatVersion: info.formatVersion,
          originalLength: info.originalLength,
        },
      };
    },
    getContent: async ({ contentId }, context) => {
      session.assertContents("READ");
      const info = await mustSee(session, parts, parseContentId(contentId), context);
      await context.enter(info.originalLength);
      const { signal } = context;
      const options: ReadIntoOptions = {
        take: (lengthBytes) => context.memory(lengthBytes),
        isHashedLater: session.hashesContents,
        signal,
      };
      const read = async (): Promise<Uint8Array> => await contents.readInto(info.ref, options);
      const data = await parts.reading.run(session.account, read, { signal });
      // SECURITY: a stolen device gets no ciphertext that it does not hold itself.
      if (session.token?.scope === "device" && !isOuterPart(info.id, data)) throw accessDenied();
      session.counters.readContents++;
      session.counters.readBytes += data.byteLength;
      return { data };
    },
    prefetchContents: async ({ contentIds, hint }, context) => {
      session.assertContents("READ");
      const seen: ContentInfo[] = [];
      for (const text of contentIds) {
        const info = await see(session, parts, parseContentId(text), context);
        if (info !== undefined) seen.push(info);
      }
      // Blobs on a local disk need no warming.
      if (hint !== "none" && repository.storage.localPath === undefined)
        await prefetch(session, parts, seen, context);
      return { contentIds: seen.map(({ id }) => id) };
    },
  };
}

/** `undefined` for what is not there, for this account. */
async function see(
  session: AccountSession,
  parts: SessionParts,
  id: ContentId,
  { signal }: RequestContext,
): Promise<ContentInfo | undefined> {
  if (contentPrefix(id) === MANIFEST_PREFIX) return undefined;
  const { holdings, repository } = parts.options;
  const look = async (): Promise<ContentInfo | undefined> => {
    const { rights } = session;
    const isHeld = await holdings.holds(session.principal, id, { rights, signal });
    return isHeld ? await repository.contents.info(id, { signal }) : undefined;
  };
  // Another server may have taken in a snapshot that reaches it.
  return (await look()) ?? ((await parts.freshness.ensure()) ? await look() : undefined);
}

/** @throws SEJF_CONTENT_NOT_FOUND. */
async function mustSee(
  session: AccountSession,
  parts: SessionParts,
  id: ContentId,
  context: RequestContext,
): Promise<ContentInfo> {
  const info = await see(session, parts, id, context);
  if (info === undefined) throw contentNotFound();
  return info;
}

function contentNotFound(): SejfError {
  return new SejfError("SEJF_CONTENT_NOT_FOUND", "content not found");
}

/** Reading brings them into the cache; best effort. Grouped by pack, in parts. */
async function prefetch(
  session: AccountSession,
  parts: SessionParts,
  seen: readonly ContentInfo[],
  { signal }: RequestContext,
): Promise<void> {
  const { contents } = parts.options.repository;
  let bytes = 0;
  for (let at = 0; at < seen.length; at += PREFETCH_PAGE) {
    const page = seen.slice(at, at + PREFETCH_PAGE).filter(({ packedLength }) => {
      bytes += packedLength;
      return bytes <= MAX_PREFETCH_BYTES;
    });
    const requests = page.map(({ ref }, job) => ({ job, ref }));
    await parts.reading.run(
      session.account,
      async () => {
        for await (const _ of contents.readMany(single(requests), { signal }));
      },
      { signal },
    );
  }
}
