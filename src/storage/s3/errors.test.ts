import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { toBlobId } from "../../blob/index.ts";
import { type ErrorCode, SejfError } from "../../errors/index.ts";
import { FAKE_BUCKET, FAKE_KEYS, FakeS3, type FakeFault } from "../../testkit/fake-s3.ts";
import { openS3Storage } from "./index.ts";

const ID = toBlobId("p1");
const SECRET_TOKEN = "token-that-nobody-may-see";

interface Case {
  readonly status: number;
  readonly name: string;
  readonly code: ErrorCode;
  readonly retryable?: boolean;
  readonly says?: RegExp;
}

const CASES: readonly Case[] = [
  { status: 403, name: "AccessDenied", code: "SEJF_PERMISSION" },
  { status: 403, name: "InvalidAccessKeyId", code: "SEJF_PERMISSION", says: /access key/ },
  {
    status: 403,
    name: "SignatureDoesNotMatch",
    code: "SEJF_PERMISSION",
    says: /secret access key/,
  },
  { status: 400, name: "ExpiredToken", code: "SEJF_PERMISSION", says: /expired/ },
  { status: 400, name: "InvalidToken", code: "SEJF_PERMISSION", says: /session token/ },
  {
    status: 403,
    name: "RequestTimeTooSkewed",
    code: "SEJF_IO",
    says: /clock of this machine and the store's, which says \w{3}, \d\d \w{3} \d{4} .* GMT, are/,
  },
  { status: 403, name: "InvalidObjectState", code: "SEJF_IO", says: /archive/ },
  { status: 404, name: "NoSuchBucket", code: "SEJF_NOT_A_REPOSITORY" },
  { status: 507, name: "XMinioStorageFull", code: "SEJF_NO_SPACE" },
  { status: 507, name: "Whatever", code: "SEJF_NO_SPACE" },
  { status: 501, name: "NotImplemented", code: "SEJF_UNSUPPORTED" },
  { status: 500, name: "InternalError", code: "SEJF_IO", retryable: true },
  { status: 503, name: "SlowDown", code: "SEJF_IO", retryable: true },
  { status: 429, name: "TooManyRequests", code: "SEJF_IO", retryable: true },
  { status: 400, name: "RequestTimeout", code: "SEJF_IO", retryable: true },
  { status: 409, name: "OperationAborted", code: "SEJF_IO", retryable: true },
  { status: 400, name: "MalformedXML", code: "SEJF_IO" },
];

test("every refusal has its code, says where it was, and is repeated only where that can help", async () => {
  await using fake = await FakeS3.start();
  await using storage = await openFake(fake);
  for (const { status, name, code, retryable = false, says = /./ } of CASES) {
    fake.fault = () => ({ kind: "answer", status, code: name });
    for (const call of [
      async () => await storage.get(ID),
      async () => await storage.put(ID, new Uint8Array(3)),
      async () => await storage.delete(ID),
      async () => await storage.list("")[Symbol.asyncIterator]().next(),
    ]) {
      await assert.rejects(call(), (error) => {
        assert.ok(error instanceof SejfError, String(error));
        assert.equal(error.code, code, `${name}: ${error.message}`);
        assert.equal(error.retryable, retryable, name);
        assert.match(error.message, says);
        assert.ok(error.message.includes(FAKE_BUCKET) && error.message.includes(name));
        return true;
      });
    }
  }
});

test("SECURITY: whatever the store repeats of keys, tokens and signatures is in no error", async () => {
  await using fake = await FakeS3.start();
  await using storage = await openFake(fake);
  const more = `<AWSAccessKeyId>${FAKE_KEYS.accessKeyID}</AWSAccessKeyId><StringToSign>${FAKE_KEYS.secretAccessKey}</StringToSign><Token-0>${SECRET_TOKEN}</Token-0>`;
  const faults: readonly FakeFault[] = [
    { kind: "answer", status: 403, code: "SignatureDoesNotMatch", more },
    { kind: "answer", status: 400, code: "InvalidToken", more },
    { kind: "answer", status: 500, code: "InternalError", more },
    { kind: "answer", status: 200, body: `<html>${more}` },
    { kind: "break" },
  ];
  for (const fault of faults) {
    fake.fault = () => fault;
    const error: unknown = await storage
      .list("")
      [Symbol.asyncIterator]()
      .next()
      .then(
        (page) => page,
        (caught: unknown) => caught,
      );
    const shown = inspect(error, { depth: 20, showHidden: true });
    for (const secret of [...Object.values(FAKE_KEYS), SECRET_TOKEN])
      assert.ok(!shown.includes(secret), `${JSON.stringify(fault)} shows ${secret}`);
  }
});

test("an answer that is none of S3's is an error, never an empty store", async () => {
  await using fake = await FakeS3.start();
  await using storage = await openFake(fake);
  for (const body of ["<html>log in first", "not XML at all", "{}"]) {
    fake.fault = () => ({ kind: "answer", status: 200, body });
    await assert.rejects(storage.list("")[Symbol.asyncIterator]().next(), { code: "SEJF_IO" });
  }
  // a store that does not know ranges
  fake.fault = () => ({ kind: "answer", status: 200, body: "the whole blob" });
  await assert.rejects(storage.get(ID, { range: { offset: 1, length: 2 } }), {
    code: "SEJF_IO",
    message: /instead of 2 bytes at 1/,
  });
});

test("nobody there, no such host, no such bucket, no keys", async () => {
  const retry = { retries: 0 };
  const base = { bucket: FAKE_BUCKET, doNotUseTLS: true, ...FAKE_KEYS };
  await assert.rejects(openS3Storage({ ...base, endpoint: "127.0.0.1:1" }, { retry }), {
    code: "SEJF_CONNECTION",
    retryable: true,
  });
  await assert.rejects(openS3Storage({ ...base, endpoint: "no.such.host.invalid" }, { retry }), {
    code: "SEJF_CONNECTION",
    message: /no host of that name/,
  });
  await using fake = await FakeS3.start();
  const { endpoint } = fake;
  await assert.rejects(openS3Storage({ ...base, endpoint, bucket: "elsewhere" }, { retry }), {
    code: "SEJF_NOT_A_REPOSITORY",
  });
  await assert.rejects(openS3Storage({ ...base, endpoint, accessKeyID: "stranger" }, { retry }), {
    code: "SEJF_PERMISSION",
  });
});

async function openFake(fake: FakeS3): ReturnType<typeof openS3Storage> {
  const config = {
    bucket: FAKE_BUCKET,
    endpoint: fake.endpoint,
    doNotUseTLS: true,
    ...FAKE_KEYS,
    sessionToken: SECRET_TOKEN,
  };
  return await openS3Storage(config, { retry: { retries: 0 } });
}
