/**
 * Signed lines: `{"payload":…,"sig":…}` and a newline. The signature covers the payload's bytes as they were written;
 * readers check it before they parse. Spec: sealed 3.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import {
  base64UrlToBytes,
  bytesToBase64Url,
  bytesToUtf8,
  type OwnedBytes,
  utf8ToBytes,
} from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { labelled } from "./labels.ts";

/** Of one signed document. */
const MAX_LINE_CHARS = 64 << 20;

/** An Ed25519 public key of 32 bytes. */
export function signingPublicKey(seed: Uint8Array): OwnedBytes {
  return new Uint8Array(ed25519.getPublicKey(seed));
}

/** The line, newline included. */
export function signLine(label: string, seed: Uint8Array, payload: Uint8Array): string {
  const signature = ed25519.sign(labelled(label, payload), seed);
  return `${JSON.stringify({ payload: bytesToBase64Url(payload), sig: bytesToBase64Url(signature) })}\n`;
}

/** The payload's bytes. @throws SEJF_CORRUPT for a malformed line or another key's signature. */
export function verifyLine(label: string, publicKey: Uint8Array, line: string): OwnedBytes {
  const { payload, signature } = takeApart(label, line);
  if (!isSignatureOf(publicKey, labelled(label, payload), signature))
    throw new SejfError("SEJF_CORRUPT", `the signature of a "${label}" document is wrong`, {
      hint: "it was altered, or signed by somebody else: do not trust what it says",
    });
  return payload;
}

/** As `verifyLine`, but nothing is known of it until its signer is: for documents that carry their signer's name. */
export function readUnverified(label: string, line: string): OwnedBytes {
  return takeApart(label, line).payload;
}

/** As `verifyLine`, by any of several keys; gives the one. @throws SEJF_CORRUPT. */
export function verifyLineByAny(
  label: string,
  publicKeys: readonly Uint8Array[],
  line: string,
): { readonly payload: OwnedBytes; readonly signer: Uint8Array } {
  for (const signer of publicKeys) {
    try {
      return { payload: verifyLine(label, signer, line), signer };
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    }
  }
  throw new SejfError("SEJF_CORRUPT", `a "${label}" document is signed by nobody who may sign it`, {
    hint: "it was altered, or signed by somebody else: do not trust what it says",
  });
}

/** JSON text of a verified payload. @throws SEJF_CORRUPT. */
export function parsePayload(label: string, payload: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(payload));
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `a "${label}" document is not JSON`, { cause: error });
  }
}

/** Compact JSON as bytes, for signing. */
export function payloadOf(value: object): OwnedBytes {
  return utf8ToBytes(JSON.stringify(value));
}

function takeApart(
  label: string,
  line: string,
): { readonly payload: OwnedBytes; readonly signature: OwnedBytes } {
  if (line.length > MAX_LINE_CHARS)
    throw new SejfError("SEJF_CORRUPT", `a "${label}" document is ${line.length} characters long`);
  try {
    const parsed: unknown = JSON.parse(line);
    if (
      typeof parsed === "object" &&
      parsed !== null &&
      "payload" in parsed &&
      "sig" in parsed &&
      typeof parsed.payload === "string" &&
      typeof parsed.sig === "string"
    )
      return {
        payload: base64UrlToBytes(parsed.payload),
        signature: base64UrlToBytes(parsed.sig),
      };
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isSejfError(error)) throw error;
  }
  throw new SejfError("SEJF_CORRUPT", `a "${label}" document is no signed line`);
}

function isSignatureOf(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    // Strict (RFC 8032): one message has no second signature that passes, and small-order keys pass for nothing.
    return ed25519.verify(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}
