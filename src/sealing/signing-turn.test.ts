/** Who signs next on a device: the one after the other, and nobody waits for the dead. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../testkit/temp.ts";
import { HeadMemory } from "./head-memory.ts";
import { SigningTurn } from "./signing-turn.ts";

test("SigningTurn: one at a time, and again for who has it", async () => {
  await using temp = await temporaryDirectory("signing");
  const configFile = join(temp.path, "config");
  const [one, two] = [0, 1].map(() => new SigningTurn(configFile, new HeadMemory()));
  assert.ok(one !== undefined && two !== undefined);
  const order: string[] = [];
  await Promise.all([one.take(), one.take()]);
  const waiting = two.take().then(() => order.push("second"));
  order.push("first");
  await one.release();
  await waiting;
  assert.deepEqual(order, ["first", "second"]);
  await one.release();
  assert.ok(existsSync(`${configFile}.sejf-sealed.signing`), "only who has it gives it back");
  await two.release();
  assert.ok(!existsSync(`${configFile}.sejf-sealed.signing`));
});

test("SigningTurn: whoever waits can be told to stop", async () => {
  await using temp = await temporaryDirectory("signing");
  const configFile = join(temp.path, "config");
  const [one, two] = [0, 1].map(() => new SigningTurn(configFile, new HeadMemory()));
  await one?.take();
  const reason = new Error("stopped");
  const stop = new AbortController();
  const waiting = two?.take(stop.signal);
  stop.abort(reason);
  await assert.rejects(waiting ?? Promise.resolve(), reason);
  await one?.release();
  await two?.take();
  await two?.release();
});

test("SigningTurn: a program that was killed, also one under this one's number, holds up nobody", async () => {
  await using temp = await temporaryDirectory("signing");
  const configFile = join(temp.path, "config");
  const dead = spawnSync(process.execPath, ["--version"]).pid;
  for (const holder of [`${dead} a`, `${process.pid} b`, "no number"]) {
    writeFileSync(`${configFile}.sejf-sealed.signing`, holder);
    const turn = new SigningTurn(configFile, new HeadMemory());
    await turn.take();
    await turn.release();
  }
});
