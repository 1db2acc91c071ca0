/** `recover`: everything back with the recovery kit, whatever is left beside it. Spec: sealed 3. */
import { resolve } from "node:path";
import type { ConnectionInfo } from "../../blob/index.ts";
import { parseApiServer } from "../../repository/index.ts";
import { resetOnServer } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, text } from "../flags.ts";
import { newDeletePassword, newPasswordOf, tellReset } from "../shared/account-command.ts";
import { CONNECT_FLAGS, openUnconnected } from "../shared/connect-flags.ts";
import { FILESYSTEM_FLAGS, filesystemConnection } from "../shared/filesystem-flags.ts";
import { type RecoveryKit, readRecoveryKit } from "../shared/recovery-kit-input.ts";
import { S3_FLAGS_IF_ANY, s3ConnectionIfAny } from "../shared/s3-flags.ts";
import {
  addFurtherDevice,
  connectWithKit,
  saveServerConnection,
} from "../shared/sealed-connect.ts";
import { ENROLL_TOOLS } from "../shared/sealed-open.ts";
import { UNSIGNED_FLAG, unsealFolder } from "../shared/unseal-folder.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  recoveryKit: text("The recovery kit, or a file with what somebody typed from the paper", {
    required: true,
    placeholder: "FILE",
  }),
  url: text("The server, where the kit does not say it or it has moved", { placeholder: "URL" }),
  serverCertFingerprint: text("Its certificate's fingerprint (SHA-256)", { placeholder: "HEX" }),
  account: text("The account, where the kit does not say it", { placeholder: "USER@HOST" }),
  deviceName: text("How people call this device", { placeholder: "NAME" }),
  rememberKey: flag("Keep the account's key on this device, which then reads without a password"),
  deletePassword: flag("Ask for a new delete password too, on the terminal alone"),
  folder: text("Only a restored sealed snapshot is left: its folder", { placeholder: "FOLDER" }),
  unsigned: UNSIGNED_FLAG,
  ...S3_FLAGS_IF_ANY,
  ...FILESYSTEM_FLAGS,
  path: text("Only the repository is left: its folder; its password is asked for", {
    placeholder: "PATH",
  }),
  ...CONNECT_FLAGS,
};
type Values = FlagValues<typeof flags>;

export const command: Command = defineCommand({
  summary: "Get everything of a sealed account back with its recovery kit",
  description:
    "Three ways. With the account's server alone, which the kit names: the kit makes a new password (SEJF_NEW_PASSWORD for scripts), and this computer becomes a device of the account. With --path or --bucket, from the repository itself and its password: a connection that reads. With --folder, from a sealed snapshot that any program restored: the files go to the target, as unseal does.",
  flags,
  arguments: [{ name: "target", help: "With --folder: where the files go" }],
  async run(context, values, [target]) {
    const kit = await readRecoveryKit(values.recoveryKit);
    if (values.folder !== undefined) {
      assertAlone(values.path ?? values.bucket);
      const folder = resolve(values.folder);
      const how = { mayBeUnsigned: values.unsigned };
      await unsealFolder(context, folder, resolve(target ?? `${folder}.unsealed`), kit, how);
      return 0;
    }
    if (values.unsigned) throw usageError("--unsigned goes with --folder");
    if (target !== undefined)
      throw usageError("a target goes with --folder", "restore from the connection that is made");
    const account = (values.account ?? kit.account)?.toLowerCase();
    if (account === undefined)
      throw usageError("the kit does not say which account it is for", "give --account USER@HOST");
    const place = await repositoryOf(context, values);
    if (place === undefined) await byLogin(context, kit, account, values);
    else await fromRepository(context, place, kit, account, values);
    return 0;
  },
});

/** `undefined`: the account's server has to do. */
async function repositoryOf(
  context: CommandContext,
  values: Values,
): Promise<ConnectionInfo | undefined> {
  const { path, bucket } = values;
  if (path === undefined) return await s3ConnectionIfAny(values);
  assertAlone(bucket);
  return filesystemConnection({ ...values, path }, context.env);
}

function assertAlone(other: string | undefined): void {
  if (other !== undefined) throw usageError("--folder, --path and --bucket exclude one another");
}

async function byLogin(
  context: CommandContext,
  kit: RecoveryKit,
  account: string,
  values: Values,
): Promise<void> {
  const url = values.url ?? kit.url;
  if (url === undefined)
    throw usageError(
      "the kit names no server, and none of --path, --bucket and --folder was given",
      "an account that lives in a repository comes back with --path or --bucket",
    );
  await context.assertNoDeviceFile();
  const fingerprint = values.serverCertFingerprint ?? kit.fingerprint;
  const server = parseApiServer({ url, fingerprint });
  const password = await newPasswordOf(context, account);
  const deletePassword = values.deletePassword ? await newDeletePassword(context) : undefined;
  const place = { url: server.url, fingerprint: server.fingerprint };
  const { unlocked, lost } = await resetOnServer(ENROLL_TOOLS, place, account, kit, {
    password,
    deletePassword,
  });
  const enrolled = await addFurtherDevice(context, account, unlocked, {
    name: values.deviceName ?? "recovered",
    rememberKey: values.rememberKey,
  });
  await saveServerConnection(context, server, enrolled, values);
  tellReset(context, lost);
}

async function fromRepository(
  context: CommandContext,
  place: ConnectionInfo,
  kit: RecoveryKit,
  account: string,
  values: Values,
): Promise<void> {
  await using storage = await openUnconnected(context, place);
  const password = await context.passwordToConnect();
  await connectWithKit(context, storage, password, account, kit, values);
  context.log.info(
    `Connected to read what ${account} stored. See \`sejf snapshot list\` and \`sejf restore\`; \`sejf repository disconnect\` removes the key from this computer.`,
  );
}
