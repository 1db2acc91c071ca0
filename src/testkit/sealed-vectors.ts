/** The published vectors of the sealed format, as tests read them. */
import { readFileSync } from "node:fs";

export interface SealedVectors {
  readonly about: string;
  readonly account: {
    readonly seed: string;
    readonly identity: string;
    readonly recipientSha256: string;
    readonly privateSecret: string;
    readonly accountKey: string;
    readonly accountKeyPrinted: string;
    readonly signingSeed: string;
    readonly signingPublic: string;
  };
  readonly groupSecret: {
    readonly secret: string;
    readonly contentKey: string;
    readonly splitterCutKey: string;
    readonly splitterTableFirst8: readonly string[];
  };
  readonly privateSubkeys: { readonly contentKey: string; readonly pathKey: string };
  readonly padme: Readonly<Record<string, number>>;
  readonly repositoryHash: { readonly name: string; readonly hmacSecret: string };
  readonly contents: readonly {
    readonly plaintextUtf8?: string;
    readonly prefix: "" | "k" | "x";
    readonly scope: "group" | "private";
    readonly padded: string;
    readonly key: string;
    readonly ciphertext: string;
    readonly id: string;
    readonly reference?: string;
    readonly note?: string;
    readonly compression?: string;
    readonly compressedBody?: string;
  }[];
  readonly mustReject: readonly {
    readonly note: string;
    readonly reference: string;
    readonly ciphertext: string;
  }[];
  readonly splitter: {
    readonly averageBits: number;
    readonly data: string;
    readonly cutOffsets: readonly number[];
    readonly zeros600000CutOffsets: readonly number[];
    readonly windowAllZeroPrf: string;
  };
  readonly blindedPath: { readonly source: string; readonly path: string; readonly result: string };
  readonly contentsTree: {
    readonly ids: string;
    readonly leafLengthsPerLevel: readonly (readonly number[])[];
    readonly contentsId: string;
    readonly contentsSummary: {
      readonly size: number;
      readonly files: number;
      readonly symlinks: number;
      readonly dirs: number;
      readonly maxTime: string;
      readonly numFailed: number;
    };
    readonly threeIds: {
      readonly note: string;
      readonly bytesUtf8: string;
      readonly contentsId: string;
    };
  };
  readonly keyring: {
    readonly account: string;
    readonly password: string;
    readonly accountKey: string;
    readonly salt: string;
    readonly argon2id: {
      readonly m: number;
      readonly t: number;
      readonly p: number;
      readonly output: string;
    };
    readonly kek: string;
    readonly commit: string;
    readonly nonce: string;
    readonly aad: string;
    readonly plaintextUtf8: string;
    readonly ciphertext: string;
  };
  readonly opaqueInputs: {
    readonly login: { readonly password: string; readonly input: string };
    readonly delete: { readonly password: string; readonly input: string };
  };
  readonly stepUp: {
    readonly operationUtf8: string;
    readonly operationHash: string;
    readonly opaqueSessionKey: string;
    readonly authorisation: string;
  };
  readonly head: {
    readonly note: string;
    readonly deviceSeed: string;
    readonly devicePublic: string;
    readonly certPayloadUtf8: string;
    readonly certUtf8: string;
    readonly payloadUtf8: string;
    readonly fileUtf8: string;
    readonly sha256: string;
  };
  readonly invite: {
    readonly code: string;
    readonly codePrinted: string;
    readonly id: string;
    readonly key: string;
    readonly nonce: string;
    readonly plaintextUtf8: string;
    readonly ciphertext: string;
    readonly joinKey: string;
  };
}

const FILE = new URL("../../test/golden/sealed-vectors.json", import.meta.url);

export function readSealedVectors(): SealedVectors {
  return JSON.parse(readFileSync(FILE, "utf8")) as SealedVectors;
}
