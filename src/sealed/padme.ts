/** Padmé: lengths rounded up so that few of their bits tell anything, at a cost of at most 12 %. Spec: sealed 4. */

/** The smallest allowed length that is not less than `length`, 1 or more. Source: Nikitin et al., PETS 2019. */
export function padme(length: number): number {
  const exponent = Math.floor(Math.log2(length));
  const bits = exponent === 0 ? 1 : Math.floor(Math.log2(exponent)) + 1;
  const unit = 2 ** Math.max(0, exponent - bits);
  return Math.ceil(length / unit) * unit;
}
