/** Who sends a request, as far as the connection tells. */
import type { Context } from "hono";
import type { HttpEnv } from "./types.ts";

export interface Sender {
  readonly address: string;
  /** With the port, for logs. */
  readonly text: string;
}

export function senderOf(context: Context<HttpEnv>): Sender {
  const { remoteAddress, remotePort } = context.env.incoming.socket;
  return remoteAddress === undefined
    ? { address: "a local socket", text: "a local socket" }
    : { address: remoteAddress, text: `${remoteAddress}:${remotePort}` };
}
