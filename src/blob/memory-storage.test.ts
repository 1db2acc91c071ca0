import { blobStorageContract } from "../testkit/blob-storage-contract.ts";
import { MemoryStorage } from "./index.ts";

blobStorageContract("MemoryStorage", async () => new MemoryStorage({ pageSize: 7 }));
