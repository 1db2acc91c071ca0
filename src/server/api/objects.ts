/**
 * `objects/{id}`: the bytes of files and directories, with ranges.
 *
 * SECURITY: what is in a backup may be a page with scripts, and this is the origin of the interface. Nothing is ever
 * shown as what it claims to be: files are attachments of no type, directories are JSON. Names are quoted for headers.
 */
import type { Hono } from "hono";
import { isSejfError } from "../../errors/index.ts";
import { isObjectId, type ObjectReader, objectPrefix, openObject } from "../../object/index.ts";
import { textReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { type ApiContext, servedBy } from "./request.ts";
import type { ApiOptions } from "./types.ts";

const MAX_NAME = 255;

export function addObjectRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.get("/objects/:objectID", async (context) => await get(options, context));
}

async function get(options: ApiOptions, context: ApiContext): Promise<Response> {
  const { repository } = servedBy(options);
  const id = context.req.param("objectID") ?? "";
  if (!isObjectId(id)) return textReply(400, "invalid object id");
  const { signal } = context.req.raw;
  let reader: ObjectReader;
  try {
    reader = await openObject(repository.contents, id, { signal });
  } catch (error) {
    if (isSejfError(error, "SEJF_CONTENT_NOT_FOUND")) return textReply(404, "object not found");
    throw error;
  }
  const etag = `"${id}"`;
  const headers: Record<string, string> = {
    "content-type": objectPrefix(id) === "k" ? "application/json" : "application/octet-stream",
    "content-disposition": disposition(context.req.query("fname") ?? ""),
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "x-content-type-options": "nosniff",
    etag,
    ...lastModified(context.req.query("mtime")),
  };
  if (context.req.header("if-none-match") === etag)
    return new Response(null, { status: 304, headers });
  return answer(context, reader, headers, etag);
}

function answer(
  context: ApiContext,
  reader: ObjectReader,
  headers: Record<string, string>,
  etag: string,
): Response {
  const { sizeBytes } = reader;
  const ifRange = context.req.header("if-range");
  const range =
    ifRange === undefined || ifRange === etag
      ? parseRange(context.req.header("range"), sizeBytes)
      : "whole";
  if (range === "impossible")
    return textReply(416, "requested range not satisfiable", {
      "content-range": `bytes */${sizeBytes}`,
    });
  const { offset, length } = range === "whole" ? { offset: 0, length: sizeBytes } : range;
  const all = { ...headers, "content-length": String(length) };
  // Hono answers HEAD by way of GET and drops the body, which is then never read.
  const body =
    length === 0 || context.req.method === "HEAD" ? null : streamOf(reader, offset, length);
  if (range === "whole") return new Response(body, { headers: all });
  const contentRange = `bytes ${offset}-${offset + length - 1}/${sizeBytes}`;
  return new Response(body, { status: 206, headers: { ...all, "content-range": contentRange } });
}

/** Nothing is read before somebody takes it, and no more after he has gone. */
function streamOf(
  reader: ObjectReader,
  offset: number,
  length: number,
): ReadableStream<Uint8Array> {
  const stop = new AbortController();
  const { signal } = stop;
  let chunks: AsyncIterator<Uint8Array> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller): Promise<void> {
        chunks ??= reader.stream({ offset, length, signal })[Symbol.asyncIterator]();
        const next = await chunks.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel(): Promise<void> {
        stop.abort();
        await chunks?.return?.().catch(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

export type ByteRangeAnswer =
  | { readonly offset: number; readonly length: number }
  | "whole"
  | "impossible";

/** One range of bytes; several, and what cannot be understood, are the whole, as the standard allows. */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRangeAnswer {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  if (match === null) return "whole";
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return "whole";
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? "impossible" : { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  if (last !== "" && Number(last) < offset) return "whole";
  if (offset >= sizeBytes) return "impossible";
  const end = last === "" ? sizeBytes : Math.min(Number(last) + 1, sizeBytes);
  return { offset, length: end - offset };
}

/** RFC 6266: a plain form for all, and the exact one. No character of the name can end the header or its quotes. */
export function disposition(name: string): string {
  const base = (name.split(/[/\\]/).at(-1) ?? "").slice(0, MAX_NAME).toWellFormed();
  if (base === "") return "attachment";
  const plain = base.replaceAll(/[^ !#$&'()+,.0-9=@A-Z[\]^_`a-z{}~-]/g, "_");
  const exact = encodeURIComponent(base).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}

function lastModified(text: string | undefined): Record<string, string> {
  const timeMs = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(timeMs) ? {} : { "last-modified": new Date(timeMs).toUTCString() };
}
