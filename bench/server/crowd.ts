/** Many clients at once on one server: does one starve, what does the server hold, what does it store. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createCipheriv } from "node:crypto";
import { join } from "node:path";
import type { Setup } from "../whole-commands.ts";
import { BenchClient, BenchServer, type Program, WORK } from "./parties.ts";

const CLIENTS = 16;
const FILE_BYTES: number = 16 << 20;
const FILES = 4;

/** One line of the report. */
export async function crowd(
  pair: { readonly name: string; readonly client: Program; readonly server: Program },
  data: "distinct" | "identical",
  setup: Setup,
): Promise<string> {
  const users = Array.from({ length: CLIENTS }, (_, i) => `user${i}@crowd`);
  const folder = mkdtempSync(join(WORK, "sejf-bench-crowd-"));
  await using server = await BenchServer.start(pair.server, users, setup);
  const clients: BenchClient[] = [];
  try {
    for (const user of users) clients.push(await BenchClient.connect(pair.client, server, user));
    const sources = users.map((_, i) =>
      makeSource(join(folder, `source-${i}`), data === "distinct" ? i : 0),
    );
    const begun = performance.now();
    const walls = await Promise.all(
      clients.map(async (client, i) => (await client.snapshot(sources[i] ?? "")).wallMs),
    );
    const wallMs = performance.now() - begun;
    const ratio = Math.max(...walls) / Math.min(...walls);
    const stored = folderBytes(join(server.folder, "repository"));
    const line = `${CLIENTS} clients at once, ${data} data of ${(FILES * FILE_BYTES) >> 20} MiB each, ${pair.name}: ${(wallMs / 1000).toFixed(1)} s, slowest : fastest ${ratio.toFixed(2)}, server memory ${(server.use().peakBytes / 2 ** 20).toFixed(0)} MiB, stored ${(stored / 2 ** 20).toFixed(0)} MiB.`;
    process.stderr.write(`${line}\n`);
    return line;
  } finally {
    for (const client of clients) client[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeSource(path: string, number: number): string {
  mkdirSync(path);
  for (let file = 0; file < FILES; file++) {
    const iv = Buffer.alloc(16);
    iv.writeUInt32BE(1 + number * FILES + file, 0);
    const bytes = createCipheriv("aes-128-ctr", Buffer.alloc(16), iv);
    writeFileSync(join(path, `file-${file}`), bytes.update(Buffer.alloc(FILE_BYTES)));
  }
  return path;
}

function folderBytes(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
