/**
 * An account's keyring and policies: text that the server cannot read, with versions that never go back. SECURITY: the
 * keyring can be guessed at by who has it and the account key, so no device's token gets it.
 */
import { SejfError } from "../../errors/index.ts";
import type { VersionedDocument } from "../../sealed/index.ts";
import type { ManifestChange } from "../../manifest/index.ts";
import { encode, labelsOf } from "./record-codec.ts";
import type { SealedAccountRecords } from "./record-types.ts";
import {
  assertReader,
  assertSession,
  type ServiceParts,
  type TokenCaller,
} from "./service-parts.ts";

export type DocumentName = "keyring" | "policies";

/** All manifests are held in memory, by everybody. */
const MAX_CHARACTERS = 2 << 20;

export class Documents {
  readonly #parts: ServiceParts;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
  }

  /** `undefined`: there is none yet. @throws SEJF_ACCESS_DENIED. */
  async get(caller: TokenCaller, name: DocumentName): Promise<VersionedDocument | undefined> {
    if (name === "keyring") assertSession(caller);
    const { records, freshness } = this.#parts.options;
    await freshness.ensure();
    const document = (await records.account(caller.account))?.documents.get(name);
    if (document === undefined) return undefined;
    return { version: document.version, text: await records.documentText(document) };
  }

  /** @throws SEJF_ALREADY_EXISTS unless it is the version after the stored one. */
  async put(caller: TokenCaller, name: DocumentName, document: VersionedDocument): Promise<void> {
    if (name === "keyring") {
      assertSession(caller);
      assertKeyring(document.text);
    } else {
      assertReader(caller);
      assertSize(document.text);
    }
    const { account } = caller;
    await this.#parts.turns.run(async () => {
      await this.#parts.options.freshness.ensure();
      const stored = await this.#parts.enrolled(account);
      await this.#parts.options.records.write(this.changes(stored, name, document));
      this.#parts.audit(caller, {
        action: "document.set",
        who: account,
        result: "ok",
        target: `${name} ${document.version}`,
      });
    });
  }

  /** To be written with others, in turn. @throws SEJF_ALREADY_EXISTS. */
  changes(
    stored: SealedAccountRecords,
    name: DocumentName,
    { version, text }: VersionedDocument,
  ): readonly ManifestChange[] {
    const old = stored.documents.get(name);
    const next = (old?.version ?? 0) + 1;
    if (version !== next)
      throw new SejfError(
        "SEJF_ALREADY_EXISTS",
        `the ${name} of ${stored.name} has the version ${next - 1} here, so the next one is ${next}, not ${version}`,
        { hint: "another device changed it meanwhile: read it again" },
      );
    const { records } = this.#parts.options;
    const gone = [...(old === undefined ? [] : [old.id]), ...stored.outdated];
    return [
      {
        kind: "put",
        id: records.newId(),
        labels: labelsOf.document(stored.name, name, version),
        data: encode.document(text),
      },
      ...gone.map((id): ManifestChange => ({ kind: "delete", id })),
    ];
  }
}

/** The fields that a keyring file has, in clear; what is in it nobody here can tell. @throws SEJF_INVALID_ARGUMENT. */
export function assertKeyring(text: string): void {
  assertSize(text);
  const names = ["v", "m", "t", "p", "salt", "nonce", "commit", "ct"];
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && names.every((one) => Object.hasOwn(json, one)))
      return;
  } catch {
    // told below: the parser's message repeats some of the text
  }
  throw new SejfError("SEJF_INVALID_ARGUMENT", "this is no keyring file");
}

function assertSize(text: string): void {
  if (text.length > MAX_CHARACTERS)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `a document of ${text.length} characters, at most ${MAX_CHARACTERS} are taken`,
    );
}

/** @throws SEJF_NOT_FOUND. */
export function documentName(text: string): DocumentName {
  if (text === "keyring" || text === "policies") return text;
  throw new SejfError("SEJF_NOT_FOUND", "accounts have the documents keyring and policies");
}
