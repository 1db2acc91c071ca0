import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testkit/clock.ts";
import { addressKey } from "./address-key.ts";
import { LoginThrottle } from "./login-throttle.ts";

function fail(throttle: LoginThrottle, name: string, address: string, times: number): void {
  for (let i = 0; i < times; i++) throttle.failed(name, address);
}

test("LoginThrottle: the wait of an account doubles from one second to five minutes", () => {
  const clock = new FakeClock();
  const throttle = new LoginThrottle(clock);
  fail(throttle, "a@b", "1.1.1.1", 4);
  assert.equal(throttle.waitMs("a@b", "2.2.2.2").waitMs, 0);
  const waits: number[] = [];
  for (let i = 0; i < 10; i++) {
    throttle.failed("a@b", "1.1.1.1");
    waits.push(throttle.waitMs("a@b", "2.2.2.2").waitMs / 1000);
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
  clock.advance(299_999);
  assert.equal(throttle.waitMs("a@b", "2.2.2.2").waitMs, 1);
  clock.advance(1);
  assert.equal(throttle.waitMs("a@b", "2.2.2.2").waitMs, 0);
});

test("LoginThrottle: an address waits whatever names it tries, others do not", () => {
  const throttle = new LoginThrottle(new FakeClock());
  for (let i = 0; i < 20; i++) throttle.failed(`user${i}@b`, "1.1.1.1");
  assert.ok(throttle.waitMs("new@b", "1.1.1.1").waitMs > 0);
  assert.equal(throttle.waitMs("new@b", "2.2.2.2").waitMs, 0);
});

test("LoginThrottle: strangers cannot lock an account out of its usual place, nor guess from there for free", () => {
  const throttle = new LoginThrottle(new FakeClock());
  throttle.succeeded("a@b", "9.9.9.9");
  fail(throttle, "a@b", "1.1.1.1", 50);
  assert.ok(throttle.waitMs("a@b", "3.3.3.3").waitMs > 0);
  assert.equal(throttle.waitMs("a@b", "9.9.9.9").waitMs, 0);
  fail(throttle, "a@b", "9.9.9.9", 5);
  assert.ok(throttle.waitMs("a@b", "9.9.9.9").waitMs > 0);
});

test("LoginThrottle: a success does not forgive what others failed", () => {
  const throttle = new LoginThrottle(new FakeClock());
  fail(throttle, "a@b", "1.1.1.1", 30);
  throttle.succeeded("a@b", "9.9.9.9");
  assert.ok(throttle.waitMs("a@b", "1.1.1.1").waitMs > 0);
  throttle.succeeded("own@b", "1.1.1.1");
  assert.ok(throttle.waitMs("other@b", "1.1.1.1").waitMs > 0);
});

test("LoginThrottle: failures are forgotten after half an hour; a clock set back prolongs no wait", () => {
  const clock = new FakeClock();
  const throttle = new LoginThrottle(clock);
  fail(throttle, "a@b", "1.1.1.1", 10);
  const { waitMs } = throttle.waitMs("a@b", "1.1.1.1");
  clock.set(clock.nowMs() - 365 * 86_400_000);
  assert.equal(throttle.waitMs("a@b", "1.1.1.1").waitMs, waitMs);
  clock.advance(365 * 86_400_000 + 31 * 60_000);
  assert.equal(throttle.waitMs("a@b", "1.1.1.1").waitMs, 0);
  throttle.failed("a@b", "1.1.1.1");
  assert.equal(throttle.waitMs("a@b", "1.1.1.1").waitMs, 0);
});

test("LoginThrottle: a wait is told once", () => {
  const throttle = new LoginThrottle(new FakeClock());
  fail(throttle, "a@b", "1.1.1.1", 6);
  assert.equal(throttle.waitMs("a@b", "1.1.1.1").first, true);
  assert.equal(throttle.waitMs("a@b", "1.1.1.1").first, false);
  throttle.failed("a@b", "1.1.1.1");
  assert.equal(throttle.waitMs("a@b", "1.1.1.1").first, true);
});

test("addressKey: IPv4 alone, IPv6 by network, anything else as it is", () => {
  assert.equal(addressKey("10.0.0.1"), "10.0.0.1");
  assert.equal(addressKey("::ffff:10.0.0.1"), "10.0.0.1");
  assert.equal(addressKey("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(addressKey("2001:db8:1:2::6"), "2001:db8:1:2::/64");
  assert.equal(addressKey("2001:DB8:0001:2::"), "2001:db8:1:2::/64");
  assert.equal(addressKey("::1"), "0:0:0:0::/64");
  assert.equal(addressKey("1::"), "1:0:0:0::/64");
  assert.equal(addressKey("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.equal(addressKey("64:ff9b::1.2.3.4"), "64:ff9b:0:0::/64");
  assert.equal(addressKey("a local socket"), "a local socket");
  assert.equal(addressKey("x".repeat(1000)).length, 64);
});
