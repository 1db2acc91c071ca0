/**
 * SECURITY: a reference of a sealed account's object ends with its key (`k1f…~<43 letters>`), and whoever has it and the
 * ciphertext can read. Commands print it where it was asked for; logs, messages and errors never have it.
 */
const KEY = /~[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g;

export function withoutKeys(text: string): string {
  return text.includes("~") ? text.replaceAll(KEY, "~…") : text;
}
