import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSejfError } from "../../errors/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { parseS3Config, pointInTimeOf, roleDurationNs } from "./config.ts";
import { s3Target } from "./endpoint.ts";
import { parseStorageClasses, storageClassOf } from "./storage-classes.ts";
import { toBlobId } from "../../blob/index.ts";

test("parseS3Config: what kopia writes is read, unknown members included", () => {
  const written = {
    bucket: "b",
    prefix: "a/",
    endpoint: "localhost:9000",
    doNotUseTLS: true,
    accessKeyID: "key",
    secretAccessKey: "secret",
    sessionToken: "",
    roleARN: "",
    sessionName: "",
    duration: "0s",
    roleEndpoint: "",
    roleRegion: "",
    maxUploadSpeedBytesPerSecond: 5.5,
    pointInTime: "2026-01-02T03:04:05+01:00",
    ofTheFuture: [1],
  };
  assert.deepEqual(parseS3Config(written), written);
  assert.equal(parseS3Config({ bucket: "b" }).endpoint, "s3.amazonaws.com");
  assert.equal(pointInTimeOf(parseS3Config(written)), 1_767_319_445_000_000_000n);
  assert.equal(roleDurationNs("1h0m0s"), 3_600_000_000_000n);
  assert.equal(roleDurationNs("5"), 5n);
});

test("parseS3Config: what cannot be is named, and never with its value", () => {
  const bad: readonly Readonly<Record<string, unknown>>[] = [
    { bucket: "" },
    { bucket: "a/b" },
    { bucket: "b?x" },
    { endpoint: "https://s3.amazonaws.com" },
    { endpoint: "host/path" },
    { endpoint: "user@host" },
    { prefix: "a\0" },
    { rootCA: "!" },
    { region: "a b" },
    { duration: "an hour" },
    { roleEndpoint: "ftp://x" },
    { pointInTime: "yesterday" },
    { readsPerSecond: -1 },
    { secretAccessKey: "SECRET-VALUE" },
    { accessKeyID: 5, secretAccessKey: "SECRET-VALUE" },
  ];
  for (const fields of bad) {
    assert.throws(
      () => parseS3Config({ bucket: "bucket", ...fields }),
      (error) => {
        assert.ok(isSejfError(error, "SEJF_INVALID_ARGUMENT"), JSON.stringify(fields));
        assert.ok(error.message.includes(Object.keys(fields)[0] ?? ""), error.message);
        return !error.message.includes("SECRET-VALUE");
      },
    );
  }
});

test("s3Target: Amazon's names tell the region and take the bucket in the host, others do not", () => {
  const target = (endpoint: string, bucket = "bucket", more: object = {}): readonly unknown[] => {
    const { url, region, pathStyle } = s3Target({ bucket, endpoint, ...more });
    return [url, region, pathStyle];
  };
  assert.deepEqual(target("s3.amazonaws.com"), [
    "https://s3.us-east-1.amazonaws.com",
    "us-east-1",
    false,
  ]);
  assert.deepEqual(target("s3.amazonaws.com", "b", { region: "eu-west-1" }), [
    "https://s3.eu-west-1.amazonaws.com",
    "eu-west-1",
    true,
  ]);
  assert.deepEqual(target("s3.eu-central-1.amazonaws.com"), [
    "https://s3.eu-central-1.amazonaws.com",
    "eu-central-1",
    false,
  ]);
  assert.equal(target("s3-us-west-2.amazonaws.com")[1], "us-west-2");
  assert.equal(target("s3.dualstack.ap-south-1.amazonaws.com")[1], "ap-south-1");
  assert.equal(target("s3.cn-north-1.amazonaws.com.cn")[1], "cn-north-1");
  assert.equal(target("s3.amazonaws.com", "dotted.name")[2], true);
  assert.deepEqual(target("127.0.0.1:9000", "bucket", { doNotUseTLS: true }), [
    "http://127.0.0.1:9000",
    "us-east-1",
    true,
  ]);
  assert.equal(target("s3.wasabisys.com")[2], true);
  assert.equal(s3Target({ bucket: "b", endpoint: "minio" }, "mars-1").region, "mars-1");
  assert.equal(s3Target({ bucket: "b", endpoint: "minio", region: "x" }, "mars-1").region, "x");
});

test("parseStorageClasses: any bytes give rules or SEJF_CORRUPT", () => {
  const text = '{"blobOptions":[{"prefix":"p","storageClass":"GLACIER"},{"storageClass":"A"}]}';
  const rules = parseStorageClasses(Buffer.from(text));
  assert.equal(storageClassOf(rules, toBlobId("p1")), "GLACIER");
  assert.equal(storageClassOf(rules, toBlobId("q1")), "A");
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(fc.nat({ max: text.length - 1 }), fc.nat({ max: 255 }))
      .map(([at, value]) => Buffer.from(text).fill(value, at, at + 1)),
  );
  fc.assert(
    fc.property(bytes, (data) => {
      try {
        storageClassOf(parseStorageClasses(data), toBlobId("p1"));
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
      }
    }),
    { numRuns: numRuns() },
  );
});
