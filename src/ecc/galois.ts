/**
 * Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and the generator 2. Addition is
 * exclusive or; multiplication goes through logarithms.
 */

const POLYNOMIAL = 0x11d;
const ORDER = 255;

/** `EXP[i]` is 2^i, repeated so that the sum of two logarithms needs no reduction. */
const EXP = new Uint8Array(2 * ORDER);
const LOG = new Uint8Array(256);
fillTables();

function fillTables(): void {
  let power = 1;
  for (let i = 0; i < ORDER; i++) {
    EXP[i] = power;
    EXP[i + ORDER] = power;
    LOG[power] = i;
    power <<= 1;
    if (power & 0x100) power ^= POLYNOMIAL;
  }
}

export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!;
}

/** 1 / a. `a` is not 0. */
export function invert(a: number): number {
  return EXP[ORDER - LOG[a]!]!;
}

/**
 * What turns values at the points 0..count-1 into values at the points count..count+extra-1 of the same polynomial
 * of degree below `count`: row r, column c is the Lagrange basis polynomial of c at count + r. These are the parity
 * rows of a systematic Vandermonde matrix, without an inversion.
 */
export function extrapolationMatrix(count: number, extra: number): readonly Uint8Array[] {
  const scale = new Int32Array(count);
  for (let c = 0; c < count; c++) {
    let log = 0;
    for (let j = 0; j < count; j++) if (j !== c) log += LOG[c ^ j]!;
    scale[c] = log;
  }
  return Array.from({ length: extra }, (_, r) => {
    const point = count + r;
    let all = 0;
    for (let j = 0; j < count; j++) all += LOG[point ^ j]!;
    const row = new Uint8Array(count);
    for (let c = 0; c < count; c++)
      row[c] = EXP[positiveRemainder(all - LOG[point ^ c]! - scale[c]!)]!;
    return row;
  });
}

/**
 * The inverse of a square matrix, by Gauss and Jordan; the argument is left as it was.
 * @throws RangeError for a singular matrix, which parts of an extrapolation matrix never are.
 */
export function invertMatrix(matrix: readonly Uint8Array[]): readonly Uint8Array[] {
  const size = matrix.length;
  const rows = matrix.map((row, r) => {
    const wide = new Uint8Array(2 * size);
    wide.set(row);
    wide[size + r] = 1;
    return wide;
  });
  for (let column = 0; column < size; column++) {
    const pivot = rows.findIndex((row, r) => r >= column && row[column] !== 0);
    if (pivot < 0) throw new RangeError("the matrix is singular");
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const lead = rows[column]!;
    scaleRow(lead, invert(lead[column]!));
    for (const row of rows) if (row !== lead) addScaled(row, lead, row[column]!);
  }
  return rows.map((row) => row.subarray(size));
}

/** `target ^= factor * source`, element by element. */
function addScaled(target: Uint8Array, source: Uint8Array, factor: number): void {
  if (factor === 0) return;
  for (let i = 0; i < target.length; i++) target[i]! ^= multiply(factor, source[i]!);
}

function scaleRow(row: Uint8Array, factor: number): void {
  for (let i = 0; i < row.length; i++) row[i] = multiply(factor, row[i]!);
}

function positiveRemainder(value: number): number {
  const rest = value % ORDER;
  return rest < 0 ? rest + ORDER : rest;
}
