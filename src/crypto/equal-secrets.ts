/** Comparison of secrets in time that does not depend on where they differ. */

/**
 * Same length and same bytes.
 * SECURITY: takes the same time wherever the first difference is; only the lengths may show.
 */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  let difference = 0;
  for (let i = 0; i < a.byteLength; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
