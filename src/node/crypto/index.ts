/** The fast crypto engine, and what threads need beside it: ciphers that write into the caller's memory. */
export { openInto, sealInto } from "./aead.ts";
export { createNodeContentCipher, type NodeContentCipher } from "./content-cipher.ts";
export { derivingOnce } from "./deriving-once.ts";
export { nodeCryptoEngine } from "./node-engine.ts";
export { nativeBlake } from "./native-blake.ts";
export { nodeRandom } from "./node-random.ts";
export { loadOpenSsl } from "./openssl.ts";
