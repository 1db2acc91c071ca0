/** What the endpoints take from a request: checked bodies, sources in the query, who is calling. */
import type { Context } from "hono";
import { z } from "zod";
import { isSejfError } from "../../errors/index.ts";
import {
  decodePolicy,
  type Policy,
  type PolicyTarget,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import type { HttpEnv } from "../http/types.ts";
import type { SourceFilter } from "../jobs/types.ts";
import { ApiFailure, malformed } from "./failure.ts";
import type { ApiOptions, ServedRepository } from "./types.ts";

export type ApiContext = Context<HttpEnv>;

/** Linux has 4096; bodies are 100 kB anyway. */
const MAX_TEXT = 32_768;

export const text: z.ZodString = z.string().max(MAX_TEXT);
export const absentOr = <T extends z.ZodType>(schema: T): z.ZodOptional<z.ZodNullable<T>> =>
  schema.nullish();

/** A source as the interface names it. */
export interface JsonSource {
  readonly host: string;
  readonly userName: string;
  readonly path: string;
}
export const sourceSchema: z.ZodType<JsonSource> = z.object({
  host: text,
  userName: text,
  path: text,
});

/** The body of a request, which was bounded before. Unknown members are ignored, as Kopia does. @throws ApiFailure. */
export async function bodyOf<T>(context: ApiContext, schema: z.ZodType<T>): Promise<T> {
  let json: unknown;
  try {
    json = await context.req.json();
  } catch {
    throw malformed("malformed request body: not JSON");
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join(".") ?? "";
  throw malformed(
    `malformed request body: ${where === "" ? "" : `${where}: `}${issue?.message ?? "invalid"}`,
  );
}

/** @throws ApiFailure for what is no policy. */
export function policyOf(json: unknown): Policy {
  try {
    return decodePolicy(json, "policy");
  } catch (error) {
    throw isSejfError(error) ? malformed(error.message) : error;
  }
}

/** Parts that are absent are empty. */
export function sourceOf(context: ApiContext): SnapshotSource {
  const { host = "", userName = "", path = "" } = context.req.query();
  return { hostname: host, username: userName, path };
}

/** A legal target of a policy. @throws ApiFailure. */
export function targetOf(context: ApiContext): PolicyTarget {
  const target = sourceOf(context);
  const { hostname, username, path } = target;
  if ((path !== "" && username === "") || (username !== "" && hostname === ""))
    throw malformed(
      "a policy is for host, userName and path, for host and userName, for a host, or global",
    );
  return target;
}

export function filterOf(context: ApiContext): SourceFilter {
  return sourceOf(context);
}

export function fromJsonSource({ host, userName, path }: JsonSource): SnapshotSource {
  return { hostname: host, username: userName, path };
}

export function toJsonSource({ hostname, username, path }: PolicyTarget): Record<string, string> {
  return { host: hostname, userName: username, path };
}

/** @throws ApiFailure NOT_CONNECTED. */
export function servedBy(options: ApiOptions): ServedRepository {
  const served = options.served();
  if (served === undefined) throw new ApiFailure("NOT_CONNECTED", "not connected");
  return served;
}

/** Runs what changes something and writes down how it went. */
export async function recorded<T>(
  options: ApiOptions,
  context: ApiContext,
  { action, target }: { readonly action: string; readonly target?: string | undefined },
  work: () => Promise<T>,
): Promise<T> {
  const principal = context.get("principal");
  const who = principal.role === "account" ? principal.account.name : principal.name;
  const event = { action, who, from: context.get("from"), target };
  try {
    const result = await work();
    options.audit.record({ ...event, result: "ok" });
    return result;
  } catch (error) {
    const denied = isSejfError(error, "SEJF_ACCESS_DENIED");
    const detail = error instanceof ApiFailure || isSejfError(error) ? error.message : undefined;
    options.audit.record({ ...event, result: denied ? "denied" : "failed", detail });
    throw error;
  }
}
