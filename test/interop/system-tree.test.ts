/** A real tree of the machine, tens of thousands of files, through both programs in both directions. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees } from "../../scripts/compare-trees.ts";
import { type CommandClient, KOPIA_SKIP, openKopia, openSejf } from "../../src/testkit/kopia.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

const TREE = process.env["SEJF_INTEROP_TREE"] ?? "/usr/share";
const SKIP = KOPIA_SKIP === false && !existsSync(TREE) ? `no folder ${TREE}` : KOPIA_SKIP;
const QUIET = ["--no-auto-maintenance", "--no-send-snapshot-report", "--no-progress"];

interface SnapshotJson {
  readonly id: string;
  readonly rootEntry: { readonly obj: string; readonly summ: { readonly files: number } };
}

async function restored(client: CommandClient, id: string, directoryTimes: boolean): Promise<void> {
  const target = join(client.home.path, "restored");
  await client.ok(["restore", id, target, "--no-progress"]);
  const { differences } = compareTrees(TREE, target);
  assert.deepEqual(
    differences.filter((line) => directoryTimes || !line.includes(": time ")).slice(0, 5),
    [],
  );
}

for (const first of ["sejf", "kopia"] as const) {
  test(`${first} backs ${TREE} up, the other restores it and finds nothing changed`, {
    skip: SKIP,
  }, async () => {
    await using folder = await temporaryDirectory("interop");
    await using sejf = await openSejf();
    await using kopia = await openKopia();
    const path = join(folder.path, "repository");
    mkdirSync(path);
    const [writer, reader] = first === "sejf" ? [sejf, kopia] : [kopia, sejf];
    await writer.ok(["repository", "create", "filesystem", "--path", path]);
    await reader.ok(["repository", "connect", "filesystem", "--path", path]);
    const made = await writer.json<SnapshotJson>(["snapshot", "create", TREE, "--json", ...QUIET]);
    await restored(reader, made.id, reader === sejf);
    await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);

    const count = async (): Promise<number> =>
      (
        await kopia.json<readonly { readonly contentID: string }[]>(["content", "list", "--json"])
      ).filter((content) => !content.contentID.startsWith("m")).length;
    const before = await count();
    const next = await reader.json<SnapshotJson>(["snapshot", "create", TREE, "--json", ...QUIET]);
    assert.equal(next.rootEntry.obj, made.rootEntry.obj);
    assert.equal(await count(), before);
  });
}
