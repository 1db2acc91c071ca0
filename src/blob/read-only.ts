/** A storage that refuses to change: for connections opened read-only. */
import { SejfError } from "../errors/index.ts";
import type { BlobId, BlobMetadata, BlobStorage, StorageCapabilities } from "./storage.ts";
import { StorageWrapper } from "./wrapper.ts";

/** Reads pass, `put` and `delete` fail with SEJF_READ_ONLY. */
export function readOnlyStorage(storage: BlobStorage): BlobStorage {
  return new ReadOnlyStorage(storage);
}

class ReadOnlyStorage extends StorageWrapper {
  constructor(inner: BlobStorage) {
    super(inner);
    delete this.removeStaleTemporaryFiles;
  }

  override get capabilities(): StorageCapabilities {
    return { ...this.inner.capabilities, readOnly: true };
  }

  override async put(id: BlobId): Promise<BlobMetadata> {
    throw this.#refusal(`writing blob ${id}`);
  }

  override async delete(id: BlobId): Promise<void> {
    throw this.#refusal(`deleting blob ${id}`);
  }

  #refusal(doing: string): SejfError {
    return new SejfError(
      "SEJF_READ_ONLY",
      `${doing}: the connection to ${this.displayName} is read-only`,
      {
        hint: "connect again without --readonly to change the repository",
      },
    );
  }
}
