/** Fingerprints of certificates, and the check of a pinned one. */
import { createHash, type X509Certificate } from "node:crypto";

/** Longest chain that is followed. */
const MAX_CHAIN = 10;

/** SHA-256 over the DER, in lower-case hex without colons. */
export function certificateFingerprint(certificate: X509Certificate): string {
  return createHash("sha256").update(certificate.raw).digest("hex");
}

/**
 * Whether the pinned certificate is the server's own, or one that signed it: each step up the chain is a valid
 * signature by a certificate that may sign.
 */
export function isPinned(certificate: X509Certificate | undefined, pin: string): boolean {
  const wanted = pin.toLowerCase();
  let current = certificate;
  for (let depth = 0; current !== undefined && depth < MAX_CHAIN; depth++) {
    if (certificateFingerprint(current) === wanted) return true;
    const issuer: X509Certificate | undefined = current.issuerCertificate;
    if (issuer === undefined || !issuer.ca || !current.checkIssued(issuer)) return false;
    if (!current.verify(issuer.publicKey)) return false;
    current = issuer;
  }
  return false;
}
