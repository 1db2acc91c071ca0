/** Several programs on one repository at once: two that write, a kopia where there is one, a reader, a merge of indexes. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KOPIA_SKIP, openKopia } from "../../src/testkit/kopia.ts";
import { openSources } from "../cli/support.ts";
import {
  assertWhole,
  changeTree,
  differences,
  digestTree,
  listed,
  restored,
  rounds,
  seeded,
  type TreeDigest,
  writeTree,
} from "./support.ts";

/** Of a `snapshot create --json`. */
interface Created {
  readonly id: string;
}

interface Writer {
  readonly json: (args: readonly string[]) => Promise<Created>;
  readonly tree: string;
}

for (const version of ["3", "1"]) {
  test(`writers, readers and index optimize at once, format version ${version}: nothing is lost`, async (t) => {
    const random = seeded(t);
    await using stack = new AsyncDisposableStack();
    const [first, second, reader, optimizer] = [
      stack.use(await openSources()),
      stack.use(await openSources()),
      stack.use(await openSources()),
      stack.use(await openSources()),
    ];
    const repository = join(first.home, "repo");
    const create = ["repository", "create", "filesystem", "--path", repository];
    await first.ok([...create, `--format-version=${version}`]);
    const connect = ["repository", "connect", "filesystem", "--path", repository];
    for (const client of [second, reader, optimizer]) await client.ok(connect);
    const writers: Writer[] = [first, second].map((client, i) => ({
      json: (args) => client.json<Created>(args),
      tree: join(first.home, `tree ${i}`),
    }));
    if (KOPIA_SKIP === false) {
      const kopia = stack.use(await openKopia());
      await kopia.ok(connect);
      writers.push({ json: (args) => kopia.json(args), tree: join(first.home, "tree of kopia") });
    } else t.diagnostic(`without kopia: ${KOPIA_SKIP}`);

    const reported = new Map<string, TreeDigest>();
    let writing = writers.length;
    const write = async ({ json, tree }: Writer): Promise<void> => {
      mkdirSync(tree);
      writeTree(tree, random, { files: 150, big: 1, bigBytes: 400_000 });
      for (let round = 0; round < rounds(2); round++) {
        const { id } = await json(["snapshot", "create", tree, "--json"]);
        reported.set(id, digestTree(tree));
        changeTree(tree, random, 400_000);
      }
    };
    const read = async (): Promise<void> => {
      while (writing > 0) {
        const before = [...reported.keys()];
        const ids = (await listed(reader)).map((snapshot) => snapshot.id);
        for (const id of before)
          assert.ok(ids.includes(id), `${id} was reported and is not listed`);
      }
    };
    const optimize = async (): Promise<void> => {
      while (writing > 0)
        await optimizer.ok(["index", "optimize", "--all", "--dangerous-commands=enabled"]);
    };
    const writeAll = writers.map((writer) => write(writer).finally(() => writing--));
    await Promise.all([...writeAll, read(), optimize()]);

    assert.equal(reported.size, writers.length * rounds(2));
    const ids = (await listed(reader)).map((snapshot) => snapshot.id);
    assert.deepEqual(ids.toSorted(), [...reported.keys()].toSorted());
    await assertWhole(reader);
    for (const [id, digest] of reported)
      assert.deepEqual(differences(digest, await restored(reader, id)), [], id);
    if (KOPIA_SKIP === false) {
      await using kopia = await openKopia();
      await kopia.ok(connect);
      await kopia.ok(["snapshot", "verify", "--verify-files-percent=100"]);
    }
  });
}
