/** Everything that needs Node: fast engines, threads and local files. */
export { createNodeContentCipher, type NodeContentCipher, nodeCryptoEngine, nodeRandom, openInto, sealInto } from "./crypto/index.ts";
export { type FileTimes, hasExactTimes, setFileTimes } from "./files/index.ts";
