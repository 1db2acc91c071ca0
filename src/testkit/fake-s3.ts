/**
 * A small S3 server inside the process, for faults that no real store makes on request: objects, versions, pages,
 * conditions and checksums as S3 has them. Signatures are not checked, only who signed and for which region.
 */
import { createHash } from "node:crypto";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type Clock, systemClock, utf8ToBytes } from "../bytes/index.ts";
import type { TestCertificate } from "./tls.ts";

export interface FakeS3Options {
  readonly clock?: Clock | undefined;
  /** Objects in a page of a listing, default 1000. */
  readonly pageSize?: number | undefined;
  readonly versioned?: boolean | undefined;
  /** Refuses signatures for another, and says so. */
  readonly region?: string | undefined;
  readonly tls?: TestCertificate | undefined;
}

export interface FakeCall {
  readonly method: string;
  /** Empty for calls on the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

/** What goes wrong with one call. */
export type FakeFault =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly code?: string;
      /** More elements of the error's XML. */
      readonly more?: string;
      /** In place of an error in XML. */
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** No byte ever comes. */
  | { readonly kind: "silence" }
  /** The connection is closed without an answer. */
  | { readonly kind: "break" }
  /** The body ends early; the header says otherwise. */
  | { readonly kind: "cut" }
  /** Half of the body comes, and no more. */
  | { readonly kind: "stall" }
  /** What arrived is not what was sent. */
  | { readonly kind: "damage" };

export interface FakeVersion {
  readonly id: string;
  readonly data: Uint8Array;
  readonly date: Date;
  readonly deleted: boolean;
  readonly headers: IncomingMessage["headers"];
}

export const FAKE_KEYS = { accessKeyID: "fake-access-key", secretAccessKey: "fake-secret-key" };
export const FAKE_BUCKET = "bucket";

export class FakeS3 implements AsyncDisposable {
  readonly calls: FakeCall[] = [];
  /** Asked for each call; what it gives happens instead of the answer. */
  fault: (call: FakeCall) => FakeFault | undefined = () => undefined;
  /** By key, the newest first. */
  readonly objects: Map<string, FakeVersion[]> = new Map();
  readonly #options: FakeS3Options;
  readonly #server: Server;
  #count = 0;

  private constructor(options: FakeS3Options) {
    this.#options = options;
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch(() => request.destroy());
    };
    this.#server =
      options.tls === undefined
        ? createHttpServer(handle)
        : createHttpsServer({ cert: options.tls.cert, key: options.tls.key }, handle);
  }

  static async start(options: FakeS3Options = {}): Promise<FakeS3> {
    const fake = new FakeS3(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The first `times` calls that fit go wrong. */
  failFirst(times: number, fits: (call: FakeCall) => boolean, fault: FakeFault): void {
    let left = times;
    this.fault = (call) => (fits(call) && left-- > 0 ? fault : undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://fake");
    const [, bucket = "", ...rest] = url.pathname.split("/").map(decodeURIComponent);
    const call: FakeCall = {
      method: request.method ?? "",
      key: rest.join("/"),
      query: url.searchParams,
      headers: request.headers,
    };
    this.calls.push(call);
    const fault = this.fault(call);
    if (fault?.kind === "break") {
      request.socket.destroy();
      return;
    }
    const body = await buffer(request);
    if (fault?.kind === "silence") return;
    if (fault?.kind === "damage" && body.length > 0) body[0] = (body[0] ?? 0) ^ 1;
    const answer =
      fault?.kind === "answer"
        ? { ...failure(fault.status, fault.code, fault.more, fault.body), headers: fault.headers }
        : (this.#refusal(call, bucket) ?? this.#answer(call, body));
    const { status, data = new Uint8Array(0), headers } = answer;
    response.writeHead(status, { "content-length": String(data.byteLength), ...headers });
    if (call.method === "HEAD") response.end();
    else if (fault?.kind === "cut" || fault?.kind === "stall") {
      response.write(data.subarray(0, data.byteLength >> 1), () => {
        if (fault.kind === "cut") request.socket.destroy();
      });
    } else response.end(data);
  }

  #refusal(call: FakeCall, bucket: string): Answer | undefined {
    const signature = /Credential=([^/]+)\/\d+\/([^/]+)\//.exec(call.headers.authorization ?? "");
    if (signature?.[1] !== FAKE_KEYS.accessKeyID) return failure(403, "InvalidAccessKeyId");
    const { region } = this.#options;
    if (region !== undefined && signature[2] !== region)
      return failure(400, "AuthorizationHeaderMalformed", `<Region>${region}</Region>`);
    return bucket === FAKE_BUCKET ? undefined : failure(404, "NoSuchBucket");
  }

  #answer(call: FakeCall, body: Uint8Array): Answer {
    const { method, key, query } = call;
    if (key === "" && query.has("versions")) return this.#listVersions(query);
    if (key === "" && query.has("versioning")) return this.#versioning();
    if (key === "") return this.#list(query);
    if (method === "PUT") return this.#put(call, body);
    if (method === "DELETE") return this.#delete(call);
    return this.#get(call);
  }

  #put({ key, headers }: FakeCall, data: Uint8Array): Answer {
    const md5 = createHash("md5").update(data).digest("base64");
    if (headers["content-md5"] !== md5) return failure(400, "BadDigest");
    const newest = this.objects.get(key)?.[0];
    if (headers["if-none-match"] === "*" && newest !== undefined && !newest.deleted)
      return failure(412, "PreconditionFailed");
    this.#add(key, data, headers, false);
    return { status: 200 };
  }

  #delete({ key, headers }: FakeCall): Answer {
    if (this.#options.versioned === true) this.#add(key, new Uint8Array(0), headers, true);
    else this.objects.delete(key);
    return { status: 204 };
  }

  #add(key: string, data: Uint8Array, headers: FakeCall["headers"], deleted: boolean): void {
    const date = new Date((this.#options.clock ?? systemClock).nowMs());
    const version = { id: `v${++this.#count}`, data, date, deleted, headers };
    const before = this.#options.versioned === true ? (this.objects.get(key) ?? []) : [];
    this.objects.set(key, [version, ...before]);
  }

  #get({ key, query, headers: asked }: FakeCall): Answer {
    const versions = this.objects.get(key) ?? [];
    const wanted = query.get("versionId");
    const found = wanted === null ? versions[0] : versions.find(({ id }) => id === wanted);
    if (found === undefined || found.deleted) return failure(404, "NoSuchKey");
    const { data, date } = found;
    const headers = { "last-modified": date.toUTCString() };
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked.range ?? "") ?? [];
    if (first === undefined) return { status: 200, data, headers };
    if (Number(first) >= data.byteLength) return failure(416, "InvalidRange");
    const end = Math.min(Number(last), data.byteLength - 1);
    return {
      status: 206,
      data: data.subarray(Number(first), end + 1),
      headers: { ...headers, "content-range": `bytes ${first}-${end}/${data.byteLength}` },
    };
  }

  #list(query: URLSearchParams): Answer {
    const after = query.get("continuation-token") ?? "";
    const all = this.#keys(query).filter(
      (key) => key > after && this.objects.get(key)?.[0]?.deleted === false,
    );
    const keys = all.slice(0, this.#pageSize);
    const next = all.length > keys.length ? keys.at(-1) : undefined;
    const contents = keys.map((key) => {
      const [object] = this.objects.get(key) as [FakeVersion];
      return `<Contents><Key>${key}</Key><LastModified>${object.date.toISOString()}</LastModified><Size>${object.data.byteLength}</Size></Contents>`;
    });
    return xml(
      `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? "" : `<NextContinuationToken>${next}</NextContinuationToken>`}${contents.join("")}</ListBucketResult>`,
    );
  }

  #listVersions(query: URLSearchParams): Answer {
    const all = this.#keys(query).flatMap((key) =>
      (this.objects.get(key) as FakeVersion[]).map((version) => ({ key, version })),
    );
    const marker = `${query.get("key-marker")}/${query.get("version-id-marker")}`;
    const from = all.findIndex(({ key, version }) => `${key}/${version.id}` === marker) + 1;
    const page = all.slice(from, from + this.#pageSize);
    const last = from + page.length < all.length ? page.at(-1) : undefined;
    const next =
      last === undefined
        ? ""
        : `<NextKeyMarker>${last.key}</NextKeyMarker><NextVersionIdMarker>${last.version.id}</NextVersionIdMarker>`;
    const entries = page.map(({ key, version }) => {
      const name = version.deleted ? "DeleteMarker" : "Version";
      const size = version.deleted ? "" : `<Size>${version.data.byteLength}</Size>`;
      return `<${name}><Key>${key}</Key><VersionId>${version.id}</VersionId><LastModified>${version.date.toISOString()}</LastModified>${size}</${name}>`;
    });
    return xml(
      `<ListVersionsResult><IsTruncated>${last !== undefined}</IsTruncated>${next}${entries.join("")}</ListVersionsResult>`,
    );
  }

  #versioning(): Answer {
    const status = this.#options.versioned === true ? "<Status>Enabled</Status>" : "";
    return xml(`<VersioningConfiguration>${status}</VersioningConfiguration>`);
  }

  #keys(query: URLSearchParams): string[] {
    const prefix = query.get("prefix") ?? "";
    return [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && !key.slice(prefix.length).includes("/"))
      .toSorted();
  }

  get #pageSize(): number {
    return this.#options.pageSize ?? 1000;
  }
}

interface Answer {
  readonly status: number;
  readonly data?: Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

function xml(text: string, status = 200): Answer {
  return { status, data: utf8ToBytes(`<?xml version="1.0" encoding="UTF-8"?>${text}`) };
}

function failure(status: number, code = "", more = "", body?: string): Answer {
  if (body !== undefined) return { status, data: utf8ToBytes(body) };
  const message = `<Message>${code} by the fake</Message>`;
  return xml(`<Error><Code>${code}</Code>${message}${more}</Error>`, status);
}
