/** Headers of a call, each name once: a repeated one could mean another thing to whoever looks next. */
import { GrpcError } from "./status.ts";

/** By lower-case name, without pseudo headers. */
export type Metadata = ReadonlyMap<string, string>;

/** `rawHeaders`: name, value, name, value… @throws GrpcError INVALID_ARGUMENT for a name that comes twice. */
export function metadataOf(rawHeaders: readonly string[]): Metadata {
  const metadata = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    if (name.startsWith(":")) continue;
    if (metadata.has(name))
      throw new GrpcError("INVALID_ARGUMENT", `the header ${name} is there twice`);
    metadata.set(name, rawHeaders[i + 1] ?? "");
  }
  return metadata;
}

/** `application/grpc`, or with a format behind it. */
export function isGrpcContentType(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:$|[+;])/.test(contentType);
}
