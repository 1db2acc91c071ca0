/**
 * Loaded before anything else (`node --import`) by the tests and by each program that they start, when `SEJF_TEST_KEYS`
 * names a folder: what Node derives from a password is kept there, and not derived again from the same password, salt
 * and parameters. That takes a fifth of a second each time, and the tests open one repository again and again. What is
 * kept is what the real function gave, so nothing that is tested can tell; `scripts/test.sh` begins with an empty folder.
 */
import crypto from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";

/** All of them have the callback last. */
const SLOW = ["scrypt", "pbkdf2", "argon2"] as const;

type Callback = (error: Error | null, key: Buffer) => void;
type Derive = (...args: unknown[]) => void;

const folder = process.env["SEJF_TEST_KEYS"];
if (folder !== undefined && folder !== "") {
  const functions = crypto as unknown as Record<string, Derive | undefined>;
  for (const name of SLOW) {
    const derive = functions[name]; // `argon2` is younger than Node 24.0
    if (derive !== undefined) functions[name] = remembering(folder, name, derive);
  }
  syncBuiltinESMExports();
}

function remembering(where: string, name: string, derive: Derive): Derive {
  return (...args) => {
    const callback = args.pop() as Callback;
    const file = join(where, nameOf([name, ...args]));
    const known = read(file);
    if (known !== undefined) {
      setImmediate(callback, null, known);
      return;
    }
    derive(...args, (error: Error | null, key: Buffer) => {
      if (error === null) keep(where, file, key);
      callback(error, key);
    });
  };
}

/** Of everything that the key depends on. */
function nameOf(args: readonly unknown[]): string {
  const text = JSON.stringify(args, (_key, value: unknown) =>
    ArrayBuffer.isView(value)
      ? [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]
      : value,
  );
  return crypto.hash("sha256", text);
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

/** A program that may not write there, as one with another user's rights, only takes longer. */
function keep(where: string, file: string, key: Uint8Array): void {
  try {
    mkdirSync(where, { recursive: true });
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, key);
    renameSync(temporary, file);
  } catch {
    // Derived again next time.
  }
}
