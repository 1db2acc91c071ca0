/** SECURITY: values with secrets in them say what they are, not what is in them, to whoever prints or logs them. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** The same value; copies of it by spreading keep silent too. */
export function hidden<T extends object>(value: T, what: string): T {
  return { ...value, [INSPECT]: (): string => `[${what}]` };
}
