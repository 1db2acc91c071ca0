/** What becomes of a content in a thread, behind its name: sealed and packed, or left plain for a server. */
import type { BlobId } from "../../blob/index.ts";
import { createBlobCodec, PackBuilder } from "../../format/index.ts";
import { nodeCompressionEngine } from "../compress/index.ts";
import { createNodeContentCipher, nodeRandom } from "../crypto/index.ts";
import type { ContentOpenerOptions } from "./content-opener.ts";
import type { PackWriterOptions } from "./pack-writer.ts";
import { PlainBatch } from "./plain-batch.ts";
import { type ContentCodec, createPlainCodec } from "./plain-codec.ts";
import type { ThreadData } from "./protocol.ts";
import { hasEcc, type SealInto, type ThreadTools } from "./thread-tools.ts";

export interface ThreadStages {
  readonly codec: ContentCodec;
  readonly begin: PackWriterOptions["begin"];
  readonly sealInto: SealInto;
  readonly decryptInto: ContentOpenerOptions["decryptInto"];
}

export function createStages(data: ThreadData, tools: ThreadTools): ThreadStages {
  return data.stages === "remote" ? remoteStages(data, tools) : directStages(data, tools);
}

function directStages(data: ThreadData, tools: ThreadTools): ThreadStages {
  const codec = createBlobCodec(tools.engine, nodeCompressionEngine, data.codec, nodeRandom);
  const cipher = createNodeContentCipher(data.codec.encryption, data.codec.masterKey);
  return {
    codec,
    begin: ({ packId, formatCopy }, buffer) =>
      new PackBuilder({
        codec,
        packId: packId as BlobId,
        indexVersion: codec.indexVersion,
        formatCopy,
        random: nodeRandom,
        buffer,
      }),
    sealInto: tools.sealInto(codec, cipher),
    decryptInto: hasEcc(data.codec) ? undefined : cipher.decryptInto.bind(cipher),
  };
}

function remoteStages(data: ThreadData, tools: ThreadTools): ThreadStages {
  const { hash, secret, indexVersion } = data.codec;
  return {
    codec: createPlainCodec(tools.engine.contentHash(hash, secret), indexVersion),
    begin: (_, buffer) => new PlainBatch(buffer),
    sealInto: (target, payload) => {
      if (target.buffer === payload.buffer) tools.copy(target, payload);
      else target.set(payload);
    },
    decryptInto: undefined,
  };
}
