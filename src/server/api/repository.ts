/** `repo/…` of the repository that is served: status, description, algorithms, limits. Spec: kopia-server 9. */
import type { Hono } from "hono";
import { z } from "zod";
import { THROTTLING_LIMIT_NAMES, type ThrottlingLimits } from "../../blob/index.ts";
import { COMPRESSORS } from "../../compress/index.ts";
import {
  DEFAULT_ENCRYPTION,
  DEFAULT_HASH,
  ENCRYPTION_ALGORITHMS,
  HASH_ALGORITHMS,
} from "../../crypto/index.ts";
import { ECC_ALGORITHMS } from "../../ecc/index.ts";
import { isSejfError } from "../../errors/index.ts";
import {
  clientOptionsJson,
  loadConfig,
  setClientOptions,
  throttlingJson,
} from "../../repository/index.ts";
import { DEFAULT_SPLITTER, SPLITTERS } from "../../splitter/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { ApiFailure, malformed } from "./failure.ts";
import { absentOr, bodyOf, recorded, servedBy } from "./request.ts";
import type { AdjustableLimits, ApiOptions, ServedRepository } from "./types.ts";

const MAX_DESCRIPTION = 1000;
const descriptionSchema = z.object({ description: absentOr(z.string().max(MAX_DESCRIPTION)) });
const limit = absentOr(z.number().min(0));
const limitsSchema = z.object(
  Object.fromEntries(THROTTLING_LIMIT_NAMES.map((name) => [name, limit])),
);

/** The JSON of `repo/status` and `control/status`. */
export async function statusJson(options: ApiOptions): Promise<unknown> {
  const served = options.served();
  if (served === undefined) {
    const initTaskID = options.initTaskId?.();
    return {
      connected: false,
      supportsContentCompression: false,
      hostname: "",
      username: "",
      enableActions: false,
      ...(initTaskID === undefined ? {} : { initTaskID }),
    };
  }
  const { access, storage } = served.repository;
  const { format } = access;
  return {
    connected: true,
    configFile: options.configFile,
    formatVersion: format.version,
    hash: format.hash,
    encryption: format.encryption,
    ...(format.ecc === ""
      ? {}
      : { ecc: format.ecc, eccOverheadPercent: format.eccOverheadPercent }),
    splitter: format.splitter,
    maxPackSize: format.maxPackSize,
    storage: storage.connectionInfo.type,
    supportsContentCompression: format.indexVersion >= 2,
    ...(await clientJson(options, served)),
  };
}

/** As the connection file says now: the description can be changed. */
async function clientJson(options: ApiOptions, served: ServedRepository): Promise<object> {
  try {
    return clientOptionsJson((await loadConfig(options.configFile, options.env)).client);
  } catch (error) {
    if (!isSejfError(error)) throw error;
    return clientOptionsJson(served.repository.connection.config.client);
  }
}

/** The JSON of `repo/throttle` and `control/throttle`. @throws SEJF_UNSUPPORTED, as ApiFailure. */
export function throttleJson(served: ServedRepository): unknown {
  return throttlingJson(adjustable(served).limits);
}

/** Takes effect at once, and lasts as long as the server runs. @throws ApiFailure, SEJF_INVALID_ARGUMENT. */
export function setThrottle(served: ServedRepository, json: unknown): void {
  const parsed = limitsSchema.safeParse(json);
  if (!parsed.success) throw malformed("unable to set limits: expected numbers of 0 or more");
  const values = Object.entries(parsed.data).map(([name, value]) => [name, value ?? 0] as const);
  adjustable(served).setLimits(Object.fromEntries(values) as ThrottlingLimits);
}

function adjustable({ throttle }: ServedRepository): AdjustableLimits {
  if (throttle !== undefined) return throttle;
  throw new ApiFailure("STORAGE_CONNECTION", "the limits of this storage cannot be changed");
}

export function addRepositoryRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  const refresh = async (): Promise<Response> => {
    await servedBy(options).jobs.refresh();
    return jsonReply({});
  };
  app.post("/refresh", refresh);
  app.post("/repo/sync", refresh);
  app.get("/repo/status", async () => jsonReply(await statusJson(options)));
  app.get("/repo/algorithms", () => jsonReply(algorithmsJson()));
  app.post("/repo/description", async (context) => {
    servedBy(options);
    const { description } = await bodyOf(context, descriptionSchema);
    const change = { description: description ?? "" };
    await recorded(options, context, { action: "repository.description" }, async () => {
      await setClientOptions(options.configFile, change, options.env);
    });
    return jsonReply(await statusJson(options));
  });
  app.get("/repo/throttle", () => jsonReply(throttleJson(servedBy(options))));
  app.put("/repo/throttle", async (context) => {
    const served = servedBy(options);
    const json = await bodyOf(context, z.record(z.string(), z.unknown()));
    // oxlint-disable-next-line require-await -- recorded as what takes time is
    await recorded(options, context, { action: "repository.throttle" }, async () =>
      setThrottle(served, json),
    );
    return jsonReply({});
  });
}

interface Algorithm {
  readonly id: string;
  readonly deprecated: boolean;
}

function algorithmsJson(): unknown {
  return {
    defaultHash: DEFAULT_HASH,
    defaultEncryption: DEFAULT_ENCRYPTION,
    defaultEcc: ECC_ALGORITHMS[0],
    defaultSplitter: DEFAULT_SPLITTER,
    hash: sorted(HASH_ALGORITHMS.map(({ name }) => current(name))),
    encryption: sorted(ENCRYPTION_ALGORITHMS.map(({ name }) => current(name))),
    ecc: sorted(ECC_ALGORITHMS.map(current)),
    splitter: sorted(SPLITTERS.map(({ name }) => current(name))),
    compression: sorted(COMPRESSORS.map(({ name, deprecated }) => ({ id: name, deprecated }))),
  };
}

function current(id: string): Algorithm {
  return { id, deprecated: false };
}

/** Deprecated ones last. */
function sorted(algorithms: readonly Algorithm[]): readonly Algorithm[] {
  return algorithms.toSorted((a, b) =>
    a.deprecated === b.deprecated
      ? a.id < b.id
        ? -1
        : 1
      : Number(a.deprecated) - Number(b.deprecated),
  );
}
