/** Policies as JSON that people write: every member must be known, or was there before, or is allowed. */
import { isSejfError, SejfError } from "../../errors/index.ts";
import { decodePolicy, type Policy, unknownPolicyMembers } from "../../snapshot/index.ts";

/** One policy. `what` names it in errors. @throws SEJF_INVALID_ARGUMENT. */
export function policyFromJson(
  json: unknown,
  what: string,
  allowed: (member: string) => boolean,
): Policy {
  let policy: Policy;
  try {
    policy = decodePolicy(json, what);
  } catch (error) {
    if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
    throw invalid(error.message);
  }
  const unknown = unknownPolicyMembers(json as Readonly<Record<string, unknown>>);
  const refused = unknown.filter((member) => !allowed(member));
  if (refused.length === 0) return policy;
  throw invalid(`${what} has the unknown field ${JSON.stringify(refused[0])}`);
}

/** @throws SEJF_INVALID_ARGUMENT. */
export function parseJsonText(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${what} is not valid JSON: ${error instanceof Error ? error.message : ""}`);
  }
}

/** A list of policies by target, as `policy export` writes it, undecoded. @throws SEJF_INVALID_ARGUMENT. */
export function policiesByTarget(
  text: string,
  what: string,
): readonly (readonly [target: string, policy: unknown])[] {
  const json = parseJsonText(text, what);
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw invalid(`${what} is not an object of policies by target`);
  return Object.entries(json);
}

function invalid(message: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", message);
}
