/** What loading the prebuilt hashes must not do. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

test("nativeBlake: no report that it is loaded with looks up the names of who is connected", async () => {
  const module = new URL("./native-blake.ts", import.meta.url).href;
  const program = `
    const { report } = process;
    const getReport = report.getReport.bind(report);
    report.getReport = (...args) => {
      process.stdout.write(report.excludeNetwork ? "without names " : "WITH NAMES ");
      return getReport(...args);
    };
    const { nativeBlake } = await import(${JSON.stringify(module)});
    nativeBlake();
    process.stdout.write(String(report.excludeNetwork));`;
  const args = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.match(stdout, /^(without names )?false$/);
});
