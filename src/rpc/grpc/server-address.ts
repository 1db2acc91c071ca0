/** Where a server is: `https://host:port`, `kopia://host:port` (the same), or `unix+https:///path`. Spec: kopia-server 1.3. */
import { SejfError } from "../../errors/index.ts";

export interface ServerAddress {
  /** As it was given, for messages. */
  readonly text: string;
  readonly host: string;
  readonly port: number;
  /** `host:port` as it stands in requests. */
  readonly authority: string;
  /** A local socket instead of host and port. */
  readonly socketPath?: string | undefined;
}

const DEFAULT_PORT = 443;

/** @throws SEJF_INVALID_ARGUMENT. */
export function parseServerAddress(text: string): ServerAddress {
  const socket = /^unix\+https:\/\/(\/.+)$/.exec(text);
  if (socket?.[1] !== undefined) {
    return { text, host: "localhost", port: 0, authority: "localhost", socketPath: socket[1] };
  }
  if (/^(unix\+)?http:/.test(text))
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${JSON.stringify(text.slice(0, 200))} is not encrypted: a repository server is only spoken to over TLS`,
      { hint: "use https://, and start the server with a certificate" },
    );
  const url = URL.parse(text.replace(/^kopia:/, "https:"));
  if (
    url?.protocol !== "https:" ||
    url.hostname === "" ||
    url.username !== "" ||
    url.password !== "" ||
    (url.pathname !== "/" && url.pathname !== "") ||
    url.search !== "" ||
    url.hash !== ""
  ) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${JSON.stringify(text.slice(0, 200))} is not the address of a repository server`,
      { hint: "use https://host:port, or unix+https:///path for a local socket" },
    );
  }
  const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { text, host, port, authority: `${url.hostname}:${port}` };
}
