import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToBase64Url } from "../../bytes/index.ts";
import { FakeClock } from "../../testkit/clock.ts";
import { SeededRandom } from "../../testkit/random.ts";
import type { AccountName } from "../types.ts";
import { StepUps } from "./step-ups.ts";

const ALICE = "alice@laptop" as AccountName;

test("StepUps: each is taken once, and within a minute", () => {
  const clock = new FakeClock(1_000_000);
  const random = new SeededRandom(1);
  const stepUps = new StepUps(clock, random);
  const key = bytesToBase64Url(random.bytes(64));
  const first = stepUps.issue(ALICE, key);
  const second = stepUps.issue(ALICE, key);
  assert.notEqual(first.stepUpId, second.stepUpId);
  assert.notEqual(first.nonce, second.nonce);
  const taken = stepUps.take(first.stepUpId);
  assert.equal(taken?.account, ALICE);
  assert.equal(taken.nonce, first.nonce);
  assert.equal(bytesToBase64Url(taken.sessionKey), key);
  assert.equal(stepUps.take(first.stepUpId), undefined);
  clock.advance(60_000);
  assert.equal(stepUps.take(second.stepUpId), undefined);
  const third = stepUps.issue(ALICE, key);
  clock.set(0);
  assert.equal(stepUps.take(third.stepUpId), undefined, "a clock that went back ends it too");
});
