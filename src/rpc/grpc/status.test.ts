/** Status messages, deadlines, and what a status becomes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SejfError } from "../../errors/index.ts";
import { numRuns } from "../../testkit/property.ts";
import {
  decodeStatusMessage,
  encodeStatusMessage,
  errorOfStatus,
  formatTimeout,
  GrpcError,
  parseTimeout,
  statusOf,
} from "./status.ts";

test("encodeStatusMessage: percent-encodes all but printable ASCII, and comes back", () => {
  assert.equal(encodeStatusMessage("50% für\nalice"), "50%25 f%C3%BCr%0Aalice");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      assert.equal(decodeStatusMessage(encodeStatusMessage(text)), text);
    }),
    { numRuns: numRuns(100) },
  );
});

test("decodeStatusMessage: false escapes stay as they are", () => {
  assert.equal(decodeStatusMessage("100%"), "100%");
  assert.equal(decodeStatusMessage("%zz%41"), "%zzA");
  assert.equal(decodeStatusMessage("%ff"), "%ff");
});

test("parseTimeout: digits and a unit, nothing else", () => {
  assert.equal(parseTimeout("250m"), 250);
  assert.equal(parseTimeout("2H"), 7_200_000);
  for (const text of ["", "5", "m", "-1S", "123456789S", "1s", "1.5S"])
    assert.throws(() => parseTimeout(text), { code: "SEJF_INVALID_ARGUMENT" });
});

test("formatTimeout: never shorter than asked", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3e14 }), (ms) => {
      assert.ok(parseTimeout(formatTimeout(ms)) >= ms);
    }),
    { numRuns: numRuns(100) },
  );
});

test("statusOf, errorOfStatus: refusals and breaks are told apart, defects tell nothing", () => {
  assert.equal(errorOfStatus(0, ""), undefined);
  assert.equal(errorOfStatus(7, "access denied for a@b")?.code, "SEJF_ACCESS_DENIED");
  assert.equal(errorOfStatus(14, "")?.retryable, true);
  assert.equal(errorOfStatus(7, "")?.retryable, false);
  assert.equal(errorOfStatus(77, "")?.status, "UNKNOWN");
  assert.deepEqual(statusOf(new GrpcError("PERMISSION_DENIED", "no")), {
    status: "PERMISSION_DENIED",
    message: "no",
  });
  assert.equal(statusOf(new SejfError("SEJF_IO", "disk")).message, "disk");
  assert.deepEqual(statusOf(new TypeError("secret")), {
    status: "INTERNAL",
    message: "internal error",
  });
});
