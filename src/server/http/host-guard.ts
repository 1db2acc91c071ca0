/**
 * Which requests a browser may have been tricked into sending. SECURITY: a page of any site can make a browser send
 * requests here; with a name of its own that it points at this server's address ("DNS rebinding") it even counts as the
 * same site. So a request must ask for a name that is ours: an IP address, which nobody can rebind, `localhost`, a name of
 * the certificate or of the host, or one that the operator named. And what a browser tells of the sender must be us.
 */
import { isIP } from "node:net";

export type GuardVerdict = { readonly ok: true } | { readonly ok: false; readonly why: string };

export interface GuardedRequest {
  /** `Host`, or `:authority`. */
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`. */
  readonly fetchSite: string | undefined;
}

const OK: GuardVerdict = { ok: true };

export class HostGuard {
  readonly #names: ReadonlySet<string>;
  readonly #secure: boolean;

  /** `names`: host names without ports; `*.example.com` stands for every name one level below. */
  constructor(names: readonly string[], secure: boolean) {
    this.#names = new Set(names.map(normalName));
    this.#secure = secure;
  }

  check(request: GuardedRequest): GuardVerdict {
    const { host, origin, fetchSite } = request;
    if (host === undefined) return { ok: false, why: "the request names no host" };
    const asked = hostNameOf(host);
    if (asked === undefined || !this.#isOurs(asked))
      return { ok: false, why: `this server does not answer to the name ${quoted(host)}` };
    if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none")
      return { ok: false, why: "the request comes from a page of another site" };
    if (origin !== undefined && !this.#isOwnOrigin(origin, host))
      return { ok: false, why: `the request comes from a page of ${quoted(origin)}` };
    return OK;
  }

  #isOurs(name: string): boolean {
    if (isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost")) return true;
    if (this.#names.has(name)) return true;
    const dot = name.indexOf(".");
    return dot > 0 && this.#names.has(`*${name.slice(dot)}`);
  }

  /** The scheme counts where this server speaks TLS itself; behind a proxy the proxy may. */
  #isOwnOrigin(origin: string, host: string): boolean {
    const url = URL.parse(origin);
    if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return false;
    if (this.#secure && url.protocol !== "https:") return false;
    return url.host === URL.parse(`${url.protocol}//${host}`)?.host;
  }
}

/** Lower case, without port, brackets and the dot of the root. */
function hostNameOf(host: string): string | undefined {
  const name = URL.parse(`http://${host}`)?.hostname;
  return name === undefined || /[@/?#\\]/.test(host) ? undefined : normalName(name);
}

function normalName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
