/** A thread's own view of the committed index. */
import { nodeCryptoEngine } from "../crypto/index.ts";
import { type IndexSet, type IndexSetDescriptor, openIndexSet } from "../index/index.ts";

/** `undefined` for an empty index, which then costs nothing to ask. @throws SEJF_CORRUPT, system errors. */
export function openThreadIndex(descriptor: IndexSetDescriptor): IndexSet | undefined {
  if (descriptor.files.length === 0 && descriptor.memory.length === 0) return undefined;
  return openIndexSet(descriptor, (data) => nodeCryptoEngine.sha256(data));
}
