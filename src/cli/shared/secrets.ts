/** Hides the secrets of a storage's configuration where it is shown. */

/** Members of Kopia's storage configurations that are secret. */
const SECRET =
  /^(?:password|secretAccessKey|sessionToken|webIdentityToken|keyData|key|storageKey|sasToken|credentials|embeddedConfig|clientSecret)$/i;

/** As many asterisks as the text has characters, as Kopia shows them. */
export function withoutSecrets(
  config: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(config).map(([name, value]): [string, unknown] => [
    name,
    SECRET.test(name) && typeof value === "string" ? "*".repeat(value.length) : value,
  ]);
  return Object.fromEntries(entries);
}
