/**
 * A server's own certificate, shaped as Kopia's: RSA, signed by itself with SHA-256, subject and issuer `O=Kopia`, for
 * server authentication only, with the names it is reached by. Keys and signatures come from Node; node-forge lays out
 * the ASN.1. Spec: kopia-server 1.2; RFC 5280.
 */
import { createSign, generateKeyPair, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { promisify } from "node:util";
import forge from "node-forge";
import { bytesToHex, type Random } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import { certificateFingerprint } from "../../rpc/index.ts";

export interface GenerateCertificateOptions {
  /** Host names and IP addresses; at least one. */
  readonly names: readonly string[];
  readonly validDays: number;
  readonly rsaKeySizeBits: number;
  readonly nowMs: number;
  readonly random: Random;
}

/** A certificate and its key. SECURITY: `key` proves the server's identity; it is written nowhere but by `tls-files`. */
export interface ServerCertificate {
  /** PEM. */
  readonly cert: string;
  /** PKCS#8 PEM. */
  readonly key: string;
  /** SHA-256 of the DER in lower-case hex. */
  readonly fingerprint: string;
}

const DAY_MS = 86_400_000;
const SERIAL_BYTES = 16;
const MIN_KEY_BITS = 2048;
const MAX_KEY_BITS = 16_384;
/** GeneralName, RFC 5280 4.2.1.6. */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/** @throws SEJF_INVALID_ARGUMENT for a key size, a validity or a name that cannot be. */
export async function generateServerCertificate(
  options: GenerateCertificateOptions,
): Promise<ServerCertificate> {
  assertPossible(options);
  const { publicKey, privateKey } = await promisify(generateKeyPair)("rsa", {
    modulusLength: options.rsaKeySizeBits,
    publicExponent: 0x1_0001,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serialNumber(options.random);
  certificate.validity.notBefore = new Date(options.nowMs);
  certificate.validity.notAfter = new Date(options.nowMs + options.validDays * DAY_MS);
  const subject = [{ name: "organizationName", value: "Kopia" }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.setExtensions([
    {
      name: "keyUsage",
      critical: true,
      digitalSignature: true,
      keyEncipherment: true,
      keyCertSign: true,
    },
    { name: "extKeyUsage", serverAuth: true },
    { name: "basicConstraints", critical: true, cA: false },
    { name: "subjectAltName", altNames: options.names.map(alternativeName) },
  ]);
  certificate.sign(nodeSigner(certificate, privateKey), forge.md.sha256.create());
  const cert = forge.pki.certificateToPem(certificate).replaceAll("\r\n", "\n");
  return { cert, key: privateKey, fingerprint: certificateFingerprint(new X509Certificate(cert)) };
}

/**
 * node-forge hashes the layout and asks the key for the signature; ours signs the same bytes with OpenSSL, which takes
 * milliseconds where node-forge's own arithmetic takes a second.
 */
function nodeSigner(
  certificate: forge.pki.Certificate,
  privateKey: string,
): forge.pki.rsa.PrivateKey {
  const sign = (): string => {
    const layout = forge.asn1.toDer(certificate.tbsCertificate).getBytes();
    return createSign("sha256").update(layout, "latin1").sign(privateKey, "latin1");
  };
  return { sign } as unknown as forge.pki.rsa.PrivateKey;
}

/** Positive, so that its encoding is as long as it is. */
function serialNumber(random: Random): string {
  const bytes = random.bytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytesToHex(bytes);
}

function alternativeName(name: string): { type: number; value?: string; ip?: string } {
  return isIP(name) === 0 ? { type: DNS_NAME, value: name } : { type: IP_ADDRESS, ip: name };
}

function assertPossible({ names, validDays, rsaKeySizeBits }: GenerateCertificateOptions): void {
  const fail = (message: string): never => {
    throw new SejfError("SEJF_INVALID_ARGUMENT", message);
  };
  if (!(rsaKeySizeBits >= MIN_KEY_BITS && rsaKeySizeBits <= MAX_KEY_BITS))
    fail(
      `the size of the TLS key is ${rsaKeySizeBits} bits, expected ${MIN_KEY_BITS} to ${MAX_KEY_BITS}`,
    );
  if (!(validDays >= 1 && validDays <= 36_500))
    fail(`the TLS certificate would be valid for ${validDays} days, expected 1 to 36500`);
  if (names.length === 0) fail("the TLS certificate has no name, expected one or more");
  for (const name of names)
    if (
      isIP(name) === 0 &&
      !/^(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?$/.test(name)
    )
      fail(`${JSON.stringify(name.slice(0, 100))} is neither a host name nor an IP address`);
}
