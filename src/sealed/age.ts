/** Files to people's keys (age, post-quantum recipients only). Spec: sealed 3, 5. */
import { Decrypter, Encrypter } from "age-encryption";
import { bytesToHex, concatBytes, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";

const RECIPIENT = /^age1pq1[02-9ac-hj-np-z]{100,4000}$/;

/** Recipients of the strong kind; anything else would silently weaken what is sealed to all. */
export function isRecipient(text: string): boolean {
  return RECIPIENT.test(text);
}

/** For people to compare: the first 32 hex digits of SHA-256 over the recipient's text, so that nobody finds a second one. */
export function recipientFingerprint(engine: CryptoEngine, recipient: string): string {
  return bytesToHex(engine.sha256(utf8ToBytes(recipient)).subarray(0, 16));
}

/** @throws SEJF_INVALID_ARGUMENT for a recipient that is not `age1pq1…`. */
export async function sealTo(
  recipients: readonly string[],
  plaintext: Uint8Array,
): Promise<OwnedBytes> {
  const encrypter = new Encrypter();
  for (const recipient of new Set(recipients)) {
    if (!isRecipient(recipient))
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `"${recipient.slice(0, 16)}…" is no post-quantum age recipient`,
        { hint: "recipients begin with age1pq1" },
      );
    encrypter.addRecipient(recipient);
  }
  return await readAll(await encrypter.encrypt(streamOf(plaintext)));
}

/** With one of these identities. @throws SEJF_CORRUPT for a file that is altered, or sealed to somebody else. */
export async function openSealed(
  identities: readonly string[],
  what: string,
  file: Uint8Array,
): Promise<OwnedBytes> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await readAll(await decrypter.decrypt(streamOf(file)));
  } catch (error) {
    // The library's message names no secret; ours says what it was about.
    throw new SejfError("SEJF_CORRUPT", `${what} does not open with this account's key`, {
      cause: error,
      hint: "it is another account's, or of other keys (what was stored since `account rekey` opens with the kit made then), or it was altered",
    });
  }
}

/**
 * Streams in and out, since for whole files the library makes a `Response` of them, with which Node loads its HTTP client:
 * 50 ms for each command that seals a snapshot.
 */
function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start: (controller) => {
      controller.enqueue(new Uint8Array(bytes));
      controller.close();
    },
  });
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<OwnedBytes> {
  const parts: Uint8Array[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concatBytes(...parts);
    parts.push(value);
  }
}
