/** `ui-preferences`, `current-user`, `cli` and `mounts`: small things that the interface asks for. */
import { readFile } from "node:fs/promises";
import type { Hono } from "hono";
import { z } from "zod";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import { isObjectId } from "../../object/index.ts";
import { defaultIdentity, isAbsent, writeFileAtomically } from "../../repository/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { ApiFailure, malformed, unsupported } from "./failure.ts";
import { bodyOf, servedBy, text } from "./request.ts";
import type { ApiOptions } from "./types.ts";

const shortText = z.string().max(100);
const preferencesSchema = z.object({
  bytesStringBase2: z.boolean().default(false),
  defaultSnapshotViewAll: z.boolean().default(false),
  theme: shortText.default(""),
  fontSize: shortText.default(""),
  pageSize: z.int().min(0).max(100_000).default(0),
  language: shortText.default(""),
  locale: shortText.default(""),
});
type Preferences = z.infer<typeof preferencesSchema>;

const NO_MOUNTS =
  "mounting through the server is not supported: use the mount command on the machine that wants to see the files";

export function addPreferenceRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  let inMemory: Preferences = preferencesSchema.parse({});
  const { uiPreferencesFile: file } = options;
  app.get("/ui-preferences", async () =>
    jsonReply(file === undefined ? inMemory : await readPreferences(file)),
  );
  app.put("/ui-preferences", async (context) => {
    const preferences = await bodyOf(context, preferencesSchema);
    if (file === undefined) inMemory = preferences;
    else await writeFileAtomically(file, `${JSON.stringify(preferences, null, 2)}\n`);
    return jsonReply({});
  });
  app.get("/current-user", () => {
    const { username, hostname } = defaultIdentity();
    return jsonReply({ username, hostname });
  });
  app.get("/cli", () => {
    servedBy(options);
    const { commandPrefix, configFile } = options;
    return jsonReply({ executable: `${commandPrefix} --config-file=${quoted(configFile)}` });
  });
}

/** None is ever made, so that lists are empty. */
export function addMountRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.get("/mounts", () => {
    servedBy(options);
    return jsonReply({ items: [] });
  });
  app.post("/mounts", async (context) => {
    servedBy(options);
    const { root } = await bodyOf(context, z.object({ root: text }));
    if (!isObjectId(root)) throw malformed("unable to parse OID");
    throw unsupported(NO_MOUNTS);
  });
  app.on(["GET", "DELETE"], "/mounts/:rootObjectID", (context) => {
    servedBy(options);
    if (!isObjectId(context.req.param("rootObjectID"))) throw malformed("invalid root object ID");
    throw new ApiFailure("NOT_FOUND", "mount point not found");
  });
}

async function readPreferences(file: string): Promise<Preferences> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    if (isAbsent(error)) return preferencesSchema.parse({});
    throw errorFromUnknown(error, `reading ${file}`);
  }
  const result = preferencesSchema.safeParse(json);
  if (result.success) return result.data;
  throw new SejfError("SEJF_CORRUPT", `${file} does not hold preferences of the interface`);
}

function quoted(path: string): string {
  return path.includes(" ") ? `"${path}"` : path;
}
