/** Everything that needs Node: fast engines, threads and local files. */
export { createNodeContentCipher, type NodeContentCipher, nodeCryptoEngine, nodeRandom, openInto, sealInto } from "./crypto/index.ts";
