/** Who this client is when nobody says otherwise. Reference: kopia repo/userhost.go. */
import { hostname, userInfo } from "node:os";
import type { ClientIdentity } from "./types.ts";

/** The login name, and the first label of the host name in lower case; `nobody` and `nohost` when unknown. */
export function defaultIdentity(): ClientIdentity {
  return { username: defaultUsername(), hostname: normalizeHostname(hostname()) };
}

/** `Laptop.example.org` is `laptop`. */
export function normalizeHostname(name: string): string {
  return (name.split(".")[0] ?? "").toLowerCase() || "nohost";
}

function defaultUsername(): string {
  try {
    const name = userInfo().username;
    return name.slice(name.lastIndexOf("\\") + 1) || "nobody";
  } catch {
    return "nobody";
  }
}
