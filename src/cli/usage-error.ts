/** Wrong usage: what was typed cannot be meant. Ends with exit status 2. */
import { SejfError } from "../errors/index.ts";

export function usageError(message: string, hint?: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", message, { hint });
}
