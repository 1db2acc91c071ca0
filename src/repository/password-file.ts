/**
 * The password kept beside the connection file, where Kopia keeps and finds it: standard base64, no newline.
 * SECURITY: whoever can read this file can read the repository; it is 0600 and never logged.
 */
import { readFile, rm } from "node:fs/promises";
import { base64ToBytes, bytesToBase64, bytesToUtf8, utf8ToBytes } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import { writeFileAtomically } from "./atomic-file.ts";
import { forgetKey, passwordFileOf } from "./key-file.ts";

export { passwordFileOf } from "./key-file.ts";

/** `undefined` when none is kept. @throws SEJF_NOT_CONNECTED when the file cannot be understood; SEJF_PERMISSION. */
export async function loadPersistedPassword(configFile: string): Promise<string | undefined> {
  const path = passwordFileOf(configFile);
  let text: string;
  try {
    text = await readFile(path, "latin1");
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw errorFromUnknown(error, `reading ${path}`);
  }
  try {
    return bytesToUtf8(base64ToBytes(text.trim()));
  } catch (error) {
    throw new SejfError("SEJF_NOT_CONNECTED", `the password kept in ${path} is not base64 text`, {
      cause: error,
      hint: "remove the file and give the password again",
    });
  }
}

/** @throws SEJF_NO_SPACE, SEJF_PERMISSION, SEJF_IO. */
export async function persistPassword(configFile: string, password: string): Promise<void> {
  await forgetKey(configFile);
  await writeFileAtomically(passwordFileOf(configFile), bytesToBase64(utf8ToBytes(password)));
}

/** Removing none succeeds. */
export async function forgetPassword(configFile: string): Promise<void> {
  await forgetKey(configFile);
  await rm(passwordFileOf(configFile), { force: true });
}

/** True for the system's "there is no such file". */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
