/**
 * The TLS identity of a server: from PEM files, made into PEM files, or made for this run only. Kopia's rules: generating
 * into files never replaces one. Spec: kopia-server 1.2.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { access, chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { bytesToUtf8 } from "../../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../../errors/index.ts";
import { certificateFingerprint } from "../../rpc/index.ts";
import {
  generateServerCertificate,
  type GenerateCertificateOptions,
  type ServerCertificate,
} from "./generate-certificate.ts";

export interface ServerTlsOptions {
  /** PEM; with `keyFile`. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Makes a certificate: into the two files when they are given, else in memory. */
  readonly generate?: GenerateCertificateOptions | undefined;
}

export interface ServerTls extends ServerCertificate {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Whether the certificate was made by this call. */
  readonly generated: boolean;
  /** Host names and addresses that the certificate is for. */
  readonly names: readonly string[];
}

/**
 * `undefined` when neither files nor a generated certificate are asked for.
 * @throws SEJF_INVALID_ARGUMENT, SEJF_ALREADY_EXISTS, SEJF_IO, SEJF_PERMISSION; SEJF_CORRUPT for files that are no certificate and its key.
 */
export async function openServerTls(options: ServerTlsOptions): Promise<ServerTls | undefined> {
  const { certFile, keyFile, generate } = options;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      "a TLS certificate and its key come together, only one of both files was given",
      { hint: "give --tls-cert-file and --tls-key-file" },
    );
  }
  if (generate === undefined) {
    if (certFile === undefined || keyFile === undefined) return undefined;
    return {
      ...(await loadCertificate(certFile, keyFile)),
      minVersion: "TLSv1.2",
      generated: false,
    };
  }
  if (certFile === undefined || keyFile === undefined) {
    const made = await generateServerCertificate(generate);
    return { ...made, names: generate.names, minVersion: "TLSv1.3", generated: true };
  }
  for (const path of [certFile, keyFile]) await assertAbsent(path);
  const made = await generateServerCertificate(generate);
  await writeSecretFile(keyFile, made.key);
  try {
    await writeSecretFile(certFile, made.cert);
  } catch (error) {
    await rm(keyFile, { force: true });
    throw error;
  }
  return { ...made, names: generate.names, minVersion: "TLSv1.2", generated: true };
}

async function loadCertificate(
  certFile: string,
  keyFile: string,
): Promise<ServerCertificate & Pick<ServerTls, "names">> {
  const cert = await readPem(certFile);
  const key = await readPem(keyFile);
  try {
    const first = new X509Certificate(cert);
    // OpenSSL takes a pair of two kinds of keys, and fails every connection then.
    if (!first.checkPrivateKey(createPrivateKey(key))) throw new Error("they are not a pair");
    return { cert, key, fingerprint: certificateFingerprint(first), names: namesOf(first) };
  } catch (error) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `${certFile} and ${keyFile} are not a TLS certificate and its key, in PEM: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function namesOf(certificate: X509Certificate): readonly string[] {
  const text = certificate.subjectAltName ?? "";
  return text.split(", ").flatMap((part) => /^(?:DNS|IP Address):(.+)$/.exec(part)?.[1] ?? []);
}

async function readPem(path: string): Promise<string> {
  try {
    return bytesToUtf8(await readFile(path));
  } catch (error) {
    throw errorFromUnknown(error, `reading ${path}`);
  }
}

async function assertAbsent(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new SejfError(
    "SEJF_ALREADY_EXISTS",
    `a TLS certificate is to be made, but ${path} exists`,
    {
      hint: "leave out --tls-generate-cert to use the files there are, or remove both",
    },
  );
}

/** Never over another file; only the owner can read it. */
async function writeSecretFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { mode: 0o600, flag: "wx" });
    await chmod(path, 0o600);
  } catch (error) {
    throw errorFromUnknown(error, `writing ${path}`);
  }
}
