/**
 * Where a server listens: `host:port`, `unix:/path`, or the socket that the service manager has opened. SECURITY: a server
 * that lets everybody in stays on this machine. Spec: kopia-server 10; sd_listen_fds(3).
 */
import { isIP } from "node:net";
import type { AddressInfo } from "node:net";
import { SejfError } from "../../errors/index.ts";

export type Place =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  /** Bound by somebody else. */
  | { readonly kind: "descriptor"; readonly fd: number };

const FIRST_PASSED_FD = 3;
/** All addresses of both families. */
const EVERYWHERE = "::";

/** With or without a scheme, which says nothing here. @throws SEJF_INVALID_ARGUMENT. */
export function parsePlace(address: string): Place {
  const bare = address.replace(/^https?:\/\//, "").replace(/\/$/, "");
  const path = /^unix:(.+)$/.exec(bare)?.[1];
  if (path !== undefined) return { kind: "unix", path };
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):(\d{1,5})$/.exec(bare) ?? [];
  if (host === undefined || port === undefined || Number(port) > 0xffff) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `${JSON.stringify(address.slice(0, 200))} is no address to listen on`,
      {
        hint: "use HOST:PORT, :PORT for all addresses of this machine, or unix:/path; port 0 is any free one",
      },
    );
  }
  const name = host.replace(/^\[(.*)\]$/, "$1");
  return { kind: "tcp", host: name === "" ? EVERYWHERE : name, port: Number(port) };
}

/**
 * The socket that the service manager opened for this process, if it did.
 * @throws SEJF_INVALID_ARGUMENT for more than one.
 */
export function passedSocket(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): Place | undefined {
  if (env["LISTEN_PID"] !== String(pid)) return undefined;
  const count = Number(env["LISTEN_FDS"] ?? 0);
  if (count > 1) {
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `too many activated sockets found, expected 1, got ${count}`,
    );
  }
  return count === 1 ? { kind: "descriptor", fd: FIRST_PASSED_FD } : undefined;
}

/** `127.0.0.1:51515`, `[::1]:51515`, or the path of a socket file. */
export function formatBound(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") return address ?? "";
  return address.family === "IPv6"
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
}

/** Only processes of this machine reach it. */
export function isLocalPlace(place: Place): boolean {
  if (place.kind !== "tcp") return true; // a descriptor is looked at when it is bound
  return place.host.toLowerCase() === "localhost" || isLoopback(place.host);
}

export function isLocalBound(address: AddressInfo | string | null): boolean {
  return address === null || typeof address === "string" || isLoopback(address.address);
}

function isLoopback(address: string): boolean {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) return isIP(v4) === 4 && v4.startsWith("127.");
  return address === "::1";
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function refuseNetwork(where: string): never {
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `refusing to let everybody in from the network: a server without a password would listen on ${where}`,
    {
      hint: "listen on 127.0.0.1 or on a unix socket, or set passwords; for an isolated laboratory there is --allow-extremely-dangerous-unauthenticated-server-on-the-network",
    },
  );
}
