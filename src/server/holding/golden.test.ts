/** Snapshots that the reference client wrote, of each format: all that they reach is held by their owner, and by nobody else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../bytes/index.ts";
import type { ContentId } from "../../format/index.ts";
import { openManifests } from "../../manifest/index.ts";
import { objectContents } from "../../object/index.ts";
import { decodeSnapshot, walkTree } from "../../snapshot/index.ts";
import { openFilesystemStorage } from "../../storage/filesystem/index.ts";
import { openGoldenContents } from "../../testkit/direct-contents.ts";
import { goldenRepositories } from "../../testkit/golden.ts";
import { accountOf } from "../../testkit/held-repository.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { openHoldings } from "./index.ts";

for (const golden of goldenRepositories()) {
  test(`${golden.name}: snapshots of the reference client are held by their owner`, async () => {
    const random = new SeededRandom(3);
    await using storage = await openFilesystemStorage({ path: golden.path }, { random });
    await using contents = await openGoldenContents(golden, storage, { readOnly: true });
    const { compression } = contents;
    const manifests = openManifests({
      contents,
      contentList: contents,
      clock: systemClock,
      random,
      compression,
      readOnly: true,
    });
    const holdings = openHoldings({
      repository: { contents, manifests },
      mode: "holding",
      clock: systemClock,
    });
    const stranger = accountOf("stranger@elsewhere");
    for (const { id, labels } of await manifests.find({ type: "snapshot" })) {
      const owner = accountOf(`${labels["username"]}@${labels["hostname"]}`);
      const { data } = await manifests.get(id);
      const { rootEntry } = decodeSnapshot(id, data);
      assert.ok(rootEntry);
      const objects = [rootEntry.object];
      for await (const page of walkTree({ contents } as never, rootEntry))
        objects.push(...page.map(({ entry }) => entry.object));
      for (const object of objects) {
        for await (const refs of objectContents(contents, object)) {
          for (const ref of refs) {
            const content = ref as string as ContentId;
            assert.ok(await holdings.holds(owner, content), `${object}: ${content}`);
            assert.equal(await holdings.holds(stranger, content), false);
          }
        }
      }
      await holdings.acceptSnapshot(owner, data);
      await assert.rejects(holdings.acceptSnapshot(stranger, data), {
        code: "SEJF_CONTENT_NOT_FOUND",
      });
    }
  });
}
