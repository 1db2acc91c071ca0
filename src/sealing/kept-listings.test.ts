/** Listings that a device keeps: what is lost with them is time. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nodeCryptoEngine } from "../node/index.ts";
import { temporaryDirectory } from "../testkit/temp.ts";
import { KeptListings, keptFolderOf } from "./kept-listings.ts";

test("KeptListings: where nothing can be written a snapshot that is stored is no failure", async () => {
  await using temp = await temporaryDirectory("kept");
  const configFile = join(temp.path, "config");
  writeFileSync(keptFolderOf(configFile), "in the way");
  const kept = new KeptListings(
    configFile,
    nodeCryptoEngine.contentHash("BLAKE3-256", new Uint8Array(32)),
  );
  kept.retain("/sealed/3n65wq6dbnqpuvzkm3nd", new Set());
  await assert.doesNotReject(kept.save());
});
