import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runCommand } from "./kopia.ts";
import { temporaryDirectory } from "./temp.ts";

const PRELOAD = fileURLToPath(new URL("./remembered-keys.ts", import.meta.url));
const PROGRAM = `
import { scrypt } from "node:crypto";
const [password, salt, N] = process.argv.slice(1);
scrypt(password, salt, 8, { N: Number(N) }, (error, key) => console.log(error ?? key.toString("hex")));
`;

test("remembered keys: what was derived once, for the same password, salt and parameters only", async () => {
  await using temp = await temporaryDirectory("keys");
  const derive = async (...args: readonly string[]): Promise<string> => {
    const options = ["--import", PRELOAD, "--input-type=module", "-e", PROGRAM];
    const env = { SEJF_TEST_KEYS: temp.path };
    const result = await runCommand(process.execPath, [...options, ...args], { env });
    assert.equal(result.exitCode, 0, result.stderr);
    return result.stdout.trim();
  };
  const real = (password: string, salt: string, N: number): string =>
    scryptSync(password, salt, 8, { N }).toString("hex");
  assert.equal(await derive("secret", "salt", "1024"), real("secret", "salt", 1024));
  const [name, none] = readdirSync(temp.path);
  assert.ok(name !== undefined && none === undefined);
  writeFileSync(join(temp.path, name), Buffer.from("another"));
  assert.equal(await derive("secret", "salt", "1024"), Buffer.from("another").toString("hex"));
  assert.equal(await derive("secrex", "salt", "1024"), real("secrex", "salt", 1024));
  assert.equal(await derive("secret", "salx", "1024"), real("secret", "salx", 1024));
  assert.equal(await derive("secret", "salt", "2048"), real("secret", "salt", 2048));
});
