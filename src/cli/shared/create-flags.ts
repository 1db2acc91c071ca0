/** The flags of `repository create`, and the creating itself. */
import type { BlobStorage, ConnectionInfo } from "../../blob/index.ts";
import {
  DEFAULT_ENCRYPTION,
  DEFAULT_HASH,
  ENCRYPTION_ALGORITHMS,
  HASH_ALGORITHMS,
} from "../../crypto/index.ts";
import { ECC_ALGORITHMS } from "../../ecc/index.ts";
import { DEFAULT_KEY_ALGORITHM, KEY_ALGORITHMS } from "../../format/index.ts";
import type { BlobConfig, CreateFormatOptions } from "../../format/index.ts";
import type { CreatedRepository } from "../../repository/index.ts";
import { DEFAULT_SPLITTER, SPLITTERS } from "../../splitter/index.ts";
import type { CommandContext } from "../context.ts";
import { choice, duration, type FlagValues, flag, integer } from "../flags.ts";
import { usageError } from "../usage-error.ts";
import { CONNECT_FLAGS, connect, openUnconnected } from "./connect-flags.ts";

const names = (algorithms: readonly { readonly name: string }[]): readonly string[] =>
  algorithms.map(({ name }) => name);

const flags = {
  blockHash: choice("Content hash algorithm", names(HASH_ALGORITHMS), {
    default: DEFAULT_HASH,
    placeholder: "ALGO",
  }),
  encryption: choice("Content encryption algorithm", names(ENCRYPTION_ALGORITHMS), {
    default: DEFAULT_ENCRYPTION,
    placeholder: "ALGO",
  }),
  ecc: choice("Error correction algorithm", ECC_ALGORITHMS, { placeholder: "ALGO" }),
  eccOverheadPercent: integer(
    "How much space overhead can be used for error correction, in percentage; 0 disables it",
    { default: 0, placeholder: "PERCENT" },
  ),
  objectSplitter: choice(
    "The splitter to use for new objects in the repository",
    names(SPLITTERS),
    { default: DEFAULT_SPLITTER, placeholder: "SPLITTER" },
  ),
  createOnly: flag("Create repository, but don't connect to it", { short: "c" }),
  formatVersion: integer(
    "Force a particular repository format version (1, 2 or 3, 0 is the default)",
    { default: 0, placeholder: "VERSION" },
  ),
  retentionMode: choice(
    "Set the blob retention-mode for supported storage backends",
    ["GOVERNANCE", "COMPLIANCE"],
    { placeholder: "MODE" },
  ),
  retentionPeriod: duration("Set the blob retention-period for supported storage backends"),
  formatBlockKeyDerivationAlgorithm: choice(
    "Algorithm to derive the encryption key for the format block from the repository password",
    KEY_ALGORITHMS,
    {
      default: DEFAULT_KEY_ALGORITHM,
      placeholder: "ALGO",
    },
  ),
  ...CONNECT_FLAGS,
};

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
export const CREATE_FLAGS: AllFlags = flags;
export type CreateFlagValues = FlagValues<AllFlags>;

/** Makes a repository, and unless `--create-only` connects to it and stores what every repository begins with. */
export async function create(
  context: CommandContext,
  info: ConnectionInfo,
  values: CreateFlagValues,
  givenPassword: string | undefined,
): Promise<void> {
  const format = formatOptions(values);
  const retention = retentionOptions(values);
  const { createRepository } = await import("../../repository/index.ts");
  await using storage = await openUnconnected(context, info, true);
  const password = givenPassword ?? (await context.passwordToCreate());
  const created = await createRepository(storage, {
    password,
    format,
    retention,
    engine: await context.engine(),
    random: context.random,
    signal: context.signal,
  });
  tellCreated(context, created, values);
  if (values.createOnly) return;
  await connectAndPopulate(context, storage, password, values);
}

async function connectAndPopulate(
  context: CommandContext,
  storage: BlobStorage,
  password: string,
  values: CreateFlagValues,
): Promise<void> {
  await connect(context, storage, password, { ...values, readonly: false });
  const { openRepository, populateRepository, setClientOptions } = await import(
    "../../repository/index.ts"
  );
  {
    await using repository = await openRepository({
      configFile: context.configFile,
      password,
      engine: await context.engine(),
      env: context.env,
      signal: context.signal,
    });
    await populateRepository(repository, { signal: context.signal });
    await repository.flush({ signal: context.signal });
  }
  if (values.readonly) await setClientOptions(context.configFile, { readOnly: true }, context.env);
  context.log.info(
    "\nNOTE: To validate that your provider is compatible, please run:\n\n$ sejf repository validate-provider\n",
  );
}

function tellCreated(
  context: CommandContext,
  created: CreatedRepository,
  values: CreateFlagValues,
): void {
  const { format } = created;
  context.log.info("Initialized repository with:");
  if (values.formatVersion !== 0) context.log.info(`  format version:      ${format.version}`);
  context.log.info(`  block hash:          ${format.hash}`);
  context.log.info(`  encryption:          ${format.encryption}`);
  context.log.info(`  key derivation:      ${created.keyAlgorithm}`);
  if (format.ecc !== "")
    context.log.info(
      `  ecc:                 ${format.ecc} with ${format.eccOverheadPercent}% overhead`,
    );
  context.log.info(`  splitter:            ${format.splitter}`);
}

function formatOptions(values: CreateFlagValues): CreateFormatOptions {
  if (values.formatVersion < 0 || values.formatVersion > 3) {
    throw usageError(
      `--format-version: ${values.formatVersion} is not possible, expected 1, 2 or 3`,
    );
  }
  if (values.eccOverheadPercent < 0 || values.eccOverheadPercent > 100) {
    throw usageError(
      `--ecc-overhead-percent: ${values.eccOverheadPercent} is not possible, expected 0 to 100`,
    );
  }
  const withEcc = values.eccOverheadPercent > 0 && values.formatVersion !== 1;
  return {
    version: values.formatVersion === 0 ? undefined : values.formatVersion,
    hash: values.blockHash,
    encryption: values.encryption,
    ecc: withEcc ? (values.ecc ?? ECC_ALGORITHMS[0]) : undefined,
    eccOverheadPercent: withEcc ? values.eccOverheadPercent : undefined,
    splitter: values.objectSplitter,
    keyAlgorithm: values.formatBlockKeyDerivationAlgorithm,
  };
}

function retentionOptions(values: CreateFlagValues): BlobConfig {
  return {
    retentionMode: values.retentionMode ?? "",
    retentionPeriodNs: values.retentionPeriod ?? 0n,
    unknown: {},
  };
}
