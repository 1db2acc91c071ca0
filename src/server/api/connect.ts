/**
 * `repo/connect`, `create`, `exists` and `disconnect`: choosing the repository that is served.
 *
 * SECURITY: a storage that is named here is opened with all rights of the server's user; only callers with the role of
 * the interface come here. Passwords and tokens are in no message, log or audit record.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Hono } from "hono";
import { z } from "zod";
import { type BlobStorage, type ConnectionInfo, getBlobIfPresent } from "../../blob/index.ts";
import { isSejfError } from "../../errors/index.ts";
import { type BlobConfig, FORMAT_BLOB_ID, NO_BLOB_CONFIG } from "../../format/index.ts";
import {
  type ClientOptions,
  connectRepository,
  createRepository,
  decodeToken,
  type DirectRepository,
  disconnectRepository,
  forgetPassword,
  openRepository,
  persistPassword,
  populateRepository,
} from "../../repository/index.ts";
import { openStorage } from "../../storage/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { ApiFailure, unsupported } from "./failure.ts";
import { statusJson } from "./repository.ts";
import { absentOr, type ApiContext, bodyOf, recorded, servedBy, text } from "./request.ts";
import type { ApiOptions, RepositorySwitch } from "./types.ts";

const DEFAULT_WAIT_S = 5;
/** A request that waits longer than that is cut off by somebody in between. */
const MAX_WAIT_S = 600;

const storageSchema = z.object({
  type: z.string().max(100),
  config: z.record(z.string(), z.unknown()),
});
const connectSchema = z.object({
  storage: absentOr(storageSchema.or(z.object({ type: z.literal("") }))),
  password: absentOr(text),
  token: absentOr(text),
  apiServer: absentOr(z.record(z.string(), z.unknown())),
  clientOptions: absentOr(
    z.object({
      hostname: absentOr(z.string().max(255)),
      username: absentOr(z.string().max(255)),
      readonly: absentOr(z.boolean()),
      description: absentOr(z.string().max(1000)),
      enableActions: absentOr(z.boolean()),
    }),
  ),
  syncWaitTime: absentOr(z.int()),
});
const name = absentOr(z.string().max(100));
const createSchema = connectSchema.extend({
  options: absentOr(
    z.object({
      blockFormat: absentOr(
        z.object({
          hash: name,
          encryption: name,
          ecc: name,
          eccOverheadPercent: absentOr(z.int()),
          version: absentOr(z.int()),
          maxPackSize: absentOr(z.int()),
        }),
      ),
      objectFormat: absentOr(z.object({ splitter: name })),
      retentionMode: absentOr(z.enum(["", "GOVERNANCE", "COMPLIANCE"])),
      retentionPeriod: absentOr(z.int().min(0)),
      formatBlockKeyDerivationAlgorithm: name,
    }),
  ),
});
type ConnectRequest = z.infer<typeof connectSchema>;
type CreateRequest = z.infer<typeof createSchema>;

interface Door {
  readonly storage: ConnectionInfo;
  readonly password: string;
}

export function addConnectRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.post("/repo/exists", async (context) => {
    const { storage } = await bodyOf(context, z.object({ storage: storageSchema }));
    await assertExists(storage);
    return jsonReply({});
  });
  app.post("/repo/connect", async (context) => {
    const request = await bodyOf(context, connectSchema);
    return await attach(options, context, "repository.connect", request, () =>
      connectTo(options, request),
    );
  });
  app.post("/repo/create", async (context) => {
    const request = await bodyOf(context, createSchema);
    return await attach(options, context, "repository.create", request, () =>
      create(options, request),
    );
  });
  app.post("/repo/disconnect", async (context) => {
    servedBy(options);
    const change = switchOf(options);
    await recorded(options, context, { action: "repository.disconnect" }, async () => {
      await change.detach();
      await disconnectRepository(options.configFile, options.env);
      await forgetPassword(options.configFile);
    });
    return jsonReply({});
  });
}

function switchOf({ switch: change }: ApiOptions): RepositorySwitch {
  if (change === undefined)
    throw unsupported(
      "this server serves the repository that it was started with: stop it, connect on the command line, and start it again",
    );
  return change;
}

async function assertExists(info: ConnectionInfo): Promise<void> {
  await using storage = await storageAt(info, false);
  if ((await getBlobIfPresent(storage, FORMAT_BLOB_ID)) === undefined)
    throw new ApiFailure("NOT_INITIALIZED", "repository not initialized");
}

async function storageAt(info: ConnectionInfo, toCreate: boolean): Promise<BlobStorage> {
  try {
    return await openStorage(info, { create: toCreate });
  } catch (error) {
    if (!isSejfError(error)) throw error;
    throw new ApiFailure("STORAGE_CONNECTION", `unable to connect to storage: ${error.message}`);
  }
}

/** As a task, which may go on when the answer to the request has to be given. */
async function attach(
  options: ApiOptions,
  context: ApiContext,
  action: string,
  { syncWaitTime }: ConnectRequest,
  open: () => Promise<DirectRepository>,
): Promise<Response> {
  if (options.served() !== undefined)
    throw new ApiFailure("ALREADY_CONNECTED", "already connected");
  const change = switchOf(options);
  const { id, done } = options.tasks.start("Repository", "Connect", async () => {
    await recorded(options, context, { action }, async () => await change.attach(await open()));
  });
  const seconds = syncWaitTime ?? 0;
  const limit = seconds < 0 ? MAX_WAIT_S : Math.min(seconds || DEFAULT_WAIT_S, MAX_WAIT_S);
  const over = new AbortController();
  const timeout = wait(limit * 1000, undefined, { signal: over.signal });
  const ended = await options.tasks.finished(id, timeout);
  over.abort();
  if (ended) await done;
  return jsonReply(await statusJson(options));
}

async function connectTo(options: ApiOptions, request: ConnectRequest): Promise<DirectRepository> {
  const { storage, password } = doorOf(request);
  await using opened = await storageAt(storage, false);
  return await connectAndOpen(options, opened, password, request);
}

async function create(options: ApiOptions, request: CreateRequest): Promise<DirectRepository> {
  const { storage, password } = doorOf(request);
  const { blockFormat, objectFormat, formatBlockKeyDerivationAlgorithm } = request.options ?? {};
  await using opened = await storageAt(storage, true);
  await createRepository(opened, {
    password,
    format: {
      hash: blockFormat?.hash || undefined,
      encryption: blockFormat?.encryption || undefined,
      ecc: blockFormat?.ecc || undefined,
      eccOverheadPercent: blockFormat?.eccOverheadPercent || undefined,
      version: blockFormat?.version || undefined,
      maxPackSize: blockFormat?.maxPackSize || undefined,
      splitter: objectFormat?.splitter || undefined,
      keyAlgorithm: formatBlockKeyDerivationAlgorithm || undefined,
    },
    retention: retentionOf(request),
  });
  const repository = await connectAndOpen(options, opened, password, request);
  await populateRepository(repository);
  await repository.flush();
  return repository;
}

function retentionOf({ options }: CreateRequest): BlobConfig {
  const retentionMode = options?.retentionMode ?? "";
  const retentionPeriodNs = BigInt(options?.retentionPeriod ?? 0);
  return { ...NO_BLOB_CONFIG, retentionMode, retentionPeriodNs };
}

/** @throws ApiFailure for a token that is none, and for a server in place of a storage. */
function doorOf({ storage, password, token, apiServer }: ConnectRequest): Door {
  const given = password ?? "";
  if (token !== null && token !== undefined && token !== "") return tokenDoor(token, given);
  if (apiServer !== null && apiServer !== undefined)
    throw unsupported("a server cannot serve the repository of another server");
  if (storage === null || storage === undefined || !("config" in storage))
    throw new ApiFailure("STORAGE_CONNECTION", "storage not specified");
  return { storage, password: given };
}

function tokenDoor(text: string, given: string): Door {
  let token: ReturnType<typeof decodeToken>;
  try {
    token = decodeToken(text);
  } catch (error) {
    if (!isSejfError(error)) throw error;
    throw new ApiFailure("INVALID_TOKEN", `invalid token: ${error.message}`);
  }
  if (!("storage" in token))
    throw unsupported("a server cannot serve the repository of another server");
  return { storage: token.storage, password: token.password ?? given };
}

async function connectAndOpen(
  options: ApiOptions,
  storage: BlobStorage,
  password: string,
  { clientOptions }: ConnectRequest,
): Promise<DirectRepository> {
  const { configFile, env } = options;
  const client: Partial<ClientOptions> = {
    ...(clientOptions?.hostname ? { hostname: clientOptions.hostname } : {}),
    ...(clientOptions?.username ? { username: clientOptions.username } : {}),
    ...(clientOptions?.description ? { description: clientOptions.description } : {}),
    readOnly: clientOptions?.readonly ?? false,
    enableActions: clientOptions?.enableActions ?? false,
  };
  await connectRepository(storage, { configFile, password, client, env });
  await persistPassword(configFile, password);
  return await openRepository({ configFile, password, env, adjustableLimits: true });
}
