/** A row of the table that `policy show` prints. Columns that are empty take no room. */
export interface PolicyRow {
  readonly name: string;
  readonly value: string;
  /** Where it is defined. */
  readonly origin: string;
}

export function row(name = "", value = "", origin = ""): PolicyRow {
  return { name, value, origin };
}
