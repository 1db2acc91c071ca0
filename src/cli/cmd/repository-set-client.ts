/** `repository set-client`: settings of this client in the connection file. */
import { formatDuration } from "../../bytes/index.ts";
import {
  assertNotSealed,
  type ClientOptions,
  loadConfig,
  setClientOptions,
  setServer,
} from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { duration, flag, text } from "../flags.ts";
import { usageError } from "../usage-error.ts";

type Changes = { -readonly [K in keyof ClientOptions]?: ClientOptions[K] };

export const command: Command = defineCommand({
  summary: "Set repository client options",
  flags: {
    readOnly: flag("Set repository to read-only"),
    readWrite: flag("Set repository to read-write"),
    permissiveCacheLoading: flag(
      "Do not fail when loading bad cache index entries. Repository must be opened in read-only mode",
      { hidden: true },
    ),
    description: text("Change description"),
    username: text("Change username", { placeholder: "NAME" }),
    hostname: text("Change hostname", { placeholder: "NAME" }),
    repositoryFormatCacheDuration: duration("Duration of kopia.repository format blob cache"),
    disableRepositoryFormatCache: flag("Disable caching of kopia.repository format blob"),
    url: text("The server has moved: its new address", { placeholder: "URL" }),
    serverCertFingerprint: text("The server has a new certificate: its fingerprint (SHA-256)", {
      placeholder: "HEX",
    }),
  },
  async run(context, flags) {
    if (flags.readOnly && flags.readWrite)
      throw usageError("--read-only and --read-write exclude each other");
    const config = await loadConfig(context.configFile, context.env);
    const { client } = config;
    if (flags.username !== undefined || flags.hostname !== undefined)
      assertNotSealed(config, context.configFile);
    const { log } = context;
    const changes: Changes = {};
    const setReadOnly = (readOnly: boolean): void => {
      const mode = readOnly ? "read-only" : "read-write";
      log.info(
        client.readOnly === readOnly
          ? `Repository is already in ${mode} mode.`
          : `Setting repository to ${mode} mode.`,
      );
      if (client.readOnly !== readOnly) changes.readOnly = readOnly;
    };
    const set = <K extends keyof ClientOptions>(
      name: K,
      value: ClientOptions[K],
      message: string,
    ): void => {
      changes[name] = value;
      log.info(message);
    };
    if (flags.readOnly) setReadOnly(true);
    if (flags.readWrite) setReadOnly(false);
    if (flags.permissiveCacheLoading)
      set("permissiveCacheLoading", true, "Setting to load indices into cache permissively.");
    if (flags.description !== undefined)
      set("description", flags.description, `Setting description to ${flags.description}`);
    if (flags.username !== undefined)
      set(
        "username",
        nonEmpty("--username", flags.username),
        `Setting local username to ${flags.username}`,
      );
    if (flags.hostname !== undefined)
      set(
        "hostname",
        nonEmpty("--hostname", flags.hostname),
        `Setting local hostname to ${flags.hostname}`,
      );
    const cacheNs = flags.repositoryFormatCacheDuration ?? 0n;
    if (cacheNs !== 0n)
      set(
        "formatBlobCacheDurationNs",
        Number(cacheNs),
        `Setting format blob cache duration to ${formatDuration(cacheNs)}`,
      );
    if (flags.disableRepositoryFormatCache)
      set("formatBlobCacheDurationNs", -1, "Disabling format blob cache");
    const { url, serverCertFingerprint: fingerprint } = flags;
    const hasMoved = url !== undefined || fingerprint !== undefined;
    if (Object.keys(changes).length === 0 && !hasMoved) throw usageError("no changes");
    if (hasMoved) {
      const server = await setServer(context.configFile, { url, fingerprint }, context.env);
      log.info(`Setting server to ${server.url}, fingerprint ${server.fingerprint ?? "none"}`);
    }
    if (Object.keys(changes).length > 0)
      await setClientOptions(context.configFile, changes, context.env);
    return 0;
  },
});

function nonEmpty(name: string, value: string): string {
  if (value === "") throw usageError(`${name} is empty`);
  return value;
}
