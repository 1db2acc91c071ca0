/** Streams of HTTP/2 as calls see them. */
import {
  type ClientHttp2Stream,
  constants,
  type Http2Stream,
  type ServerHttp2Stream,
} from "node:http2";
import type { ClientStream } from "./client-call.ts";
import type { MessageStream } from "./message-stream.ts";
import { isGrpcContentType } from "./metadata.ts";
import { HTTP2_OUTBOX } from "./outbox.ts";
import { PushedIntake } from "./pushed-intake.ts";
import { peerName, type ServerStream } from "./server-call.ts";
import { GrpcError } from "./status.ts";

const RESPONSE_HEADERS = { ":status": 200, "content-type": "application/grpc" } as const;

export function http2ServerStream(stream: ServerHttp2Stream): ServerStream {
  return {
    ...messageStream(stream),
    peer: peerName(stream.session?.socket),
    onCancel: (listener) => {
      stream.once("aborted", listener);
      // A broken stream is told by `aborted`; without a listener its error would end the process.
      stream.on("error", listener);
      if (stream.aborted || stream.destroyed) listener();
    },
    begin: () => {
      if (!stream.headersSent && !stream.destroyed)
        stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
    },
    finish: (status) => finish(stream, status),
  };
}

function finish(stream: ServerHttp2Stream, trailers: Readonly<Record<string, string>>): void {
  if (stream.destroyed || stream.closed) return;
  // What the client goes on sending is thrown away, and it is told to stop once the status is on its way.
  const stop = (): void => {
    stream.resume();
    setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
  };
  if (stream.headersSent) {
    stream.once("wantTrailers", () => {
      stream.sendTrailers(trailers);
      stop();
    });
    stream.end();
  } else {
    stream.respond({ ...RESPONSE_HEADERS, ...trailers }, { endStream: true });
    stop();
  }
}

export function http2ClientStream(stream: ClientHttp2Stream): ClientStream {
  return {
    ...messageStream(stream),
    onStatus: (listener, onRefusal) => {
      stream.once("response", (headers) => {
        const status = headers[":status"];
        if (status === 200 && isGrpcContentType(headers["content-type"])) listener(headers);
        else {
          const kind = status === 404 ? "UNIMPLEMENTED" : "UNAVAILABLE";
          const what = `the server answers with HTTP status ${status}, which is not gRPC`;
          onRefusal(new GrpcError(kind, what));
        }
      });
      stream.once("trailers", listener);
    },
    halfClose: () => stream.end(),
    reset: () => resetWithoutEnd(stream),
  };
}

/**
 * Node ends what it sends when a stream is closed with a code, and only then resets it: the server would see a client
 * that is done, and keep what should be dropped. (`waitForTrailers` would hold that back too, but then Node 26 fails an
 * assertion of its own when a stream is closed while it reads.)
 */
function resetWithoutEnd(stream: ClientHttp2Stream): void {
  stream._final = (callback): void => callback();
  stream.close(constants.NGHTTP2_CANCEL);
}

function messageStream(stream: Http2Stream): MessageStream {
  return {
    duplex: stream,
    outbox: HTTP2_OUTBOX,
    isBroken: () => stream.destroyed || stream.aborted,
    endsWithFrame: false,
    receive: (receiver) =>
      new PushedIntake(
        stream,
        receiver,
        // A reset may look like an ordinary end to the reading side.
        () => stream.aborted || (stream.rstCode ?? 0) !== 0,
      ),
  };
}
