import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { command } from "../cmd/repository-connect-s3.ts";
import { parseCommand } from "../parse.ts";
import { type S3FlagValues, s3Connection, s3ConnectionIfAny, s3Destination } from "./s3-flags.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };

function values(
  args: readonly string[],
  env: Readonly<Record<string, string>> = KEYS,
): S3FlagValues {
  const all = ["--bucket=b", ...args];
  return parseCommand("repository connect s3", command, all, env).flags as unknown as S3FlagValues;
}

async function json(
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<string> {
  const { type, config } = await s3Connection(values(args, env));
  assert.equal(type, "s3");
  return JSON.stringify(config);
}

const ROLE = '"roleARN":"","sessionName":"","duration":"0s","roleEndpoint":"","roleRegion":""';

test("s3Connection: kopia's members in its order, keys from its variables", async () => {
  assert.equal(
    await json([]),
    `{"bucket":"b","endpoint":"s3.amazonaws.com","accessKeyID":"id","secretAccessKey":"secret","sessionToken":"",${ROLE}}`,
  );
  assert.equal(
    await json(
      [
        "--prefix=z1/",
        "--endpoint=host:9000",
        "--disable-tls",
        "--disable-tls-verification",
        "--region=r",
        "--max-upload-speed=5e7",
        "--max-download-speed=6e7",
        "--access-key=other",
      ],
      { ...KEYS, AWS_SESSION_TOKEN: "token" },
    ),
    `{"bucket":"b","prefix":"z1/","endpoint":"host:9000","doNotUseTLS":true,"doNotVerifyTLS":true,"accessKeyID":"other","secretAccessKey":"secret","sessionToken":"token",${ROLE},"region":"r","maxUploadSpeedBytesPerSecond":50000000,"maxDownloadSpeedBytesPerSecond":60000000}`,
  );
  assert.throws(() => values([], {}), { message: /--access-key/ });
});

test("s3Connection: an authority from a file or in line, not both; a time in the past to connect to", async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, "ca.pem");
  await writeFile(path, "PEM");
  const inline = `--root-ca-pem-base64=${Buffer.from("PEM").toString("base64")}`;
  assert.equal(await json([`--root-ca-pem-path=${path}`]), await json([inline]));
  assert.match(await json([], { ...KEYS, ROOT_CA_PEM_BASE64: "UEVN" }), /"rootCA":"UEVN"/);
  for (const bad of [
    [`--root-ca-pem-path=${path}`, inline],
    ["--root-ca-pem-base64=!"],
    ["--point-in-time=yesterday"],
  ])
    await assert.rejects(json(bad), { code: "SEJF_INVALID_ARGUMENT" });
  await assert.rejects(json([`--root-ca-pem-path=${path}.not`]), { code: "SEJF_IO" });
  const past = "--point-in-time=2026-01-02T15:04:05+01:00";
  assert.match(await json([past]), /"pointInTime":"2026-01-02T14:04:05Z"/);
  await assert.rejects(s3Destination(values([past]), "creating"), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("s3ConnectionIfAny: no bucket is no connection, a bucket needs its keys", async () => {
  const none = { bucket: undefined, accessKey: undefined, secretAccessKey: undefined };
  assert.equal(await s3ConnectionIfAny({ ...values([]), ...none }), undefined);
  await assert.rejects(s3ConnectionIfAny({ ...values([]), ...none, bucket: "b" }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  assert.deepEqual(await s3ConnectionIfAny(values([])), await s3Connection(values([])));
});
