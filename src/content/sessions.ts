/**
 * Sessions: from the first pack to the flush of its index. The marker is put before any of its packs is, while the
 * first is being filled, refreshed while the session is long, and deleted when no pack of the session is left that an
 * index does not name; until then it keeps pack collection off. Spec: kopia-format 5.7.
 */
import { type BlobId, type BlobMetadata, getBlobIfPresent, listAllBlobs } from "../blob/index.ts";
import { type CallOptions, formatTimestamp, type TimestampNs, Mutex } from "../bytes/index.ts";
import {
  decodeSessionMarker,
  encodeSessionMarker,
  newSessionId,
  type SessionId,
  type SessionMarker,
} from "../format/index.ts";
import { type Context, messageOf, nowNs, putOrRemove } from "./context.ts";
import type { SessionInfo } from "./types.ts";

/** Collection takes a session for dead after 96 h. */
const REFRESH_NS = 12n * 3_600_000_000_000n;

export interface Session {
  readonly id: SessionId;
  readonly startTime: TimestampNs;
  checkpointTime: TimestampNs;
  readonly markers: BlobId[];
  /** Packs begun, or stored but in no index yet. */
  readonly packs: Set<BlobId>;
}

export class SessionKeeper {
  readonly #context: Context;
  readonly #marking = new Mutex();
  #current: Session | undefined;
  /** Ended, but not all their packs are in an index. */
  #ended: Session[] = [];
  #withoutPacks: SessionId | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** A new pack of the running session, which is begun where there is none; its marker is on its way to the store. */
  addPack(newId: (session: Session) => BlobId): BlobId {
    this.#current ??= this.#newSession();
    const session = this.#current;
    const packId = newId(session);
    session.packs.add(packId);
    void this.#markAll([session, ...this.#ended]).catch(() => undefined); // met by `marked`
    return packId;
  }

  /** Resolves when the marker of the pack's session is in the store: the pack may be put. @throws the store's error. */
  async marked(packId: BlobId): Promise<void> {
    const sessions = [this.#current, ...this.#ended].filter((one) => one !== undefined);
    await this.#markAll(sessions.filter(({ packs }) => packs.has(packId)));
  }

  /** Packs begun from now on belong to a new session. Gives the ID to publish an index under. */
  end(): SessionId {
    if (this.#current === undefined) return this.currentId;
    const session = this.#current;
    this.#ended.push(session);
    this.#current = undefined;
    return session.id;
  }

  /** The ID for an index that is published while the session goes on, or without packs: the same until it is. */
  get currentId(): SessionId {
    const { clock, random } = this.#context;
    const session = this.#current ?? this.#ended.at(-1);
    if (session !== undefined) return session.id;
    this.#withoutPacks ??= newSessionId(clock, random);
    return this.#withoutPacks;
  }

  /** These packs are in a published index. */
  indexed(packs: Iterable<BlobId>): void {
    this.#withoutPacks = undefined;
    for (const pack of packs) {
      this.#current?.packs.delete(pack);
      for (const session of this.#ended) session.packs.delete(pack);
    }
  }

  /** Deletes the markers of ended sessions that need them no more. A marker that stays only delays collection. */
  async removeMarkers(options: CallOptions = {}): Promise<void> {
    const done = this.#ended.filter((session) => session.packs.size === 0);
    this.#ended = this.#ended.filter((session) => session.packs.size > 0);
    // One may be on its way.
    await this.#marking.run(() => Promise.resolve());
    for (const marker of done.flatMap((session) => session.markers)) {
      try {
        await this.#context.storage.delete(marker, options);
      } catch (error) {
        this.#context.log(
          "warn",
          `session marker ${marker} could not be deleted: ${messageOf(error)}`,
        );
      }
    }
  }

  /** At the end of the process: nothing more will be stored, so packs that were only begun count no more. */
  async close(stored: ReadonlySet<BlobId>): Promise<void> {
    if (this.#current !== undefined) this.end();
    for (const session of this.#ended)
      for (const pack of session.packs) if (!stored.has(pack)) session.packs.delete(pack);
    await this.removeMarkers();
  }

  #newSession(): Session {
    const { clock, random } = this.#context;
    const now = nowNs(this.#context);
    return {
      id: newSessionId(clock, random),
      startTime: now,
      checkpointTime: now,
      markers: [],
      packs: new Set(),
    };
  }

  /** Those that have packs and no marker, or an old one. */
  async #markAll(sessions: readonly Session[]): Promise<void> {
    await this.#marking.run(async () => {
      const now = nowNs(this.#context);
      for (const session of sessions) {
        const isMarked = session.markers.length > 0 && now - session.checkpointTime < REFRESH_NS;
        if (session.packs.size > 0 && !isMarked) await this.#mark(session, now);
      }
    });
  }

  async #mark(session: Session, now: TimestampNs): Promise<void> {
    const { codec, identity, storage } = this.#context;
    const marker: SessionMarker = {
      id: session.id,
      startTime: session.startTime,
      checkpointTime: now,
      ...identity,
    };
    const { id, data } = codec.encryptBlob("s", session.id, encodeSessionMarker(marker));
    await putOrRemove(this.#context, id, async () => await storage.put(id, data));
    session.markers.push(id);
    session.checkpointTime = now;
  }
}

/** All sessions that have a marker. @throws SEJF_CORRUPT for one that cannot be read: collection must not go on then. */
export async function listSessions(
  context: Context,
  options: CallOptions = {},
): Promise<readonly SessionInfo[]> {
  const sessions = new Map<SessionId, { marker: SessionMarker; readonly blobs: BlobMetadata[] }>();
  for (const blob of await listAllBlobs(context.storage, "s", options)) {
    const data = await getBlobIfPresent(context.storage, blob.id, options);
    if (data === undefined) continue;
    const marker = decodeSessionMarker(context.codec.decryptBlob(blob.id, data));
    const known = sessions.get(marker.id);
    if (known === undefined) sessions.set(marker.id, { marker, blobs: [blob] });
    else {
      known.blobs.push(blob);
      if (marker.checkpointTime > known.marker.checkpointTime) known.marker = marker;
    }
  }
  return [...sessions.values()].map(({ marker, blobs }) => ({
    id: marker.id,
    startTime: formatTimestamp(marker.startTime),
    checkpointTime: formatTimestamp(marker.checkpointTime),
    username: marker.username,
    hostname: marker.hostname,
    blobs,
  }));
}
