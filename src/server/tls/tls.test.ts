import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { systemRandom } from "../../bytes/index.ts";
import { certificateFingerprint } from "../../rpc/index.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { SELF_SIGNED, SIGNED } from "../../testkit/tls.ts";
import { generateServerCertificate, openServerTls } from "./index.ts";

const NOW = Date.UTC(2026, 7, 1);
const GENERATE = {
  names: ["127.0.0.1", "nas.example.com", "::1"],
  validDays: 3650,
  rsaKeySizeBits: 2048,
  nowMs: NOW,
  random: systemRandom,
};

test("generateServerCertificate: Kopia's shape, signed by its own key", async () => {
  const made = await generateServerCertificate(GENERATE);
  const certificate = new X509Certificate(made.cert);
  assert.equal(certificate.subject, "O=Kopia");
  assert.equal(certificate.issuer, "O=Kopia");
  assert.ok(certificate.verify(certificate.publicKey));
  assert.equal(certificate.ca, false);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.equal(certificate.checkIP("127.0.0.1"), "127.0.0.1");
  assert.equal(certificate.checkIP("::1"), "::1");
  assert.equal(certificate.checkHost("nas.example.com"), "nas.example.com");
  assert.equal(certificate.checkHost("other.example.com"), undefined);
  assert.equal(Date.parse(certificate.validFrom), NOW);
  assert.equal(Date.parse(certificate.validTo), NOW + 3650 * 86_400_000);
  assert.match(certificate.serialNumber, /^[0-9A-F]{32}$/);
  assert.equal(made.fingerprint, certificateFingerprint(certificate));
  assert.match(made.key, /^-----BEGIN PRIVATE KEY-----\n/);
  const again = await generateServerCertificate(GENERATE);
  assert.notEqual(new X509Certificate(again.cert).serialNumber, certificate.serialNumber);
});

test("generateServerCertificate: OpenSSL reads the usages, the critical ones marked", async (t) => {
  const { cert } = await generateServerCertificate(GENERATE);
  let text: string;
  try {
    text = execFileSync("openssl", ["x509", "-noout", "-text"], { input: cert, encoding: "utf8" });
  } catch (error) {
    t.skip(`no openssl here: ${String(error)}`);
    return;
  }
  assert.match(text, /Key Usage: critical\s+Digital Signature, Key Encipherment, Certificate Sign/);
  assert.match(text, /Basic Constraints: critical\s+CA:FALSE/);
  assert.match(text, /Signature Algorithm: sha256WithRSAEncryption/);
});

test("generateServerCertificate: refuses what cannot be", async () => {
  const refused = [
    { names: [] },
    { names: ["a b"] },
    { names: ["x.example.com\nX-Header: y"] },
    { validDays: 0 },
    { validDays: Number.NaN },
    { rsaKeySizeBits: 512 },
    { rsaKeySizeBits: 1e9 },
  ];
  for (const change of refused)
    await assert.rejects(generateServerCertificate({ ...GENERATE, ...change }), {
      code: "SEJF_INVALID_ARGUMENT",
    });
});

test("openServerTls: makes files that only the owner reads, uses them, and replaces none", async () => {
  await using folder = await temporaryDirectory();
  const certFile = join(folder.path, "tls", "server.cert");
  const keyFile = join(folder.path, "tls", "server.key");
  const made = await openServerTls({ certFile, keyFile, generate: GENERATE });
  assert.equal(made?.generated, true);
  for (const file of [certFile, keyFile])
    if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o600);
  const used = await openServerTls({ certFile, keyFile });
  assert.equal(used?.fingerprint, made?.fingerprint);
  assert.equal(used?.generated, false);
  assert.deepEqual(used?.names, ["127.0.0.1", "nas.example.com", "0:0:0:0:0:0:0:1"]);
  await assert.rejects(openServerTls({ certFile, keyFile, generate: GENERATE }), {
    code: "SEJF_ALREADY_EXISTS",
  });
  assert.equal(await readFile(certFile, "utf8"), used?.cert);
});

test("openServerTls: in memory with TLS 1.3 only; nothing asked for is no TLS; half of a pair is an error", async () => {
  const made = await openServerTls({ generate: GENERATE });
  assert.equal(made?.minVersion, "TLSv1.3");
  assert.equal(await openServerTls({}), undefined);
  await assert.rejects(openServerTls({ certFile: "/a" }), { code: "SEJF_INVALID_ARGUMENT" });
  await assert.rejects(openServerTls({ keyFile: "/a" }), { code: "SEJF_INVALID_ARGUMENT" });
});

test("openServerTls: files that are absent, no PEM, or a pair of two certificates", async () => {
  await using folder = await temporaryDirectory();
  const certFile = join(folder.path, "cert");
  const keyFile = join(folder.path, "key");
  await assert.rejects(openServerTls({ certFile, keyFile }), { code: "SEJF_IO" });
  await writeFile(certFile, SELF_SIGNED.cert);
  await writeFile(keyFile, SIGNED.key);
  await assert.rejects(openServerTls({ certFile, keyFile }), { code: "SEJF_CORRUPT" });
  const rsa = await generateServerCertificate(GENERATE);
  await writeFile(keyFile, rsa.key);
  await assert.rejects(openServerTls({ certFile, keyFile }), { code: "SEJF_CORRUPT" });
  await writeFile(keyFile, "no key");
  await assert.rejects(openServerTls({ certFile, keyFile }), { code: "SEJF_CORRUPT" });
  await writeFile(keyFile, SELF_SIGNED.key);
  assert.equal((await openServerTls({ certFile, keyFile }))?.minVersion, "TLSv1.2");
});
