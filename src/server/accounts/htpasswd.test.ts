import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { numRuns } from "../../testkit/property.ts";
import { MemoryLog } from "../../testkit/server-parts.ts";
import { temporaryDirectory } from "../../testkit/temp.ts";
import { openHtpasswd, parseHtpasswd } from "./htpasswd.ts";

/** Made by Apache's htpasswd, from its documentation. */
const BCRYPT = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";
/** Made by openssl passwd. */
const SHA_256 = "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.";
const SHA_512 =
  "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.";
const SHA_512_OF_64 =
  "$6$abcdefgh$Etjof.cNiiXcMdbpmp3ulT3YhgeyL3OnOJuKCO7a5DtGfeCsc3t4yl2d3JtXQm1POS6BEqOgmaNrfnWqiVrdY0";

test("openHtpasswd: bcrypt and SHA-crypt lines match their password and no other", async () => {
  await using folder = await temporaryDirectory("htpasswd");
  const file = join(folder.path, "htpasswd");
  await writeFile(
    file,
    `# users\n\nkopia:${BCRYPT}\r\na@b:${SHA_256}\nc@d:${SHA_512}\nlong@d:${SHA_512_OF_64}\n`,
  );
  const htpasswd = await openHtpasswd(file);
  assert.equal(htpasswd.hashOf("nobody"), undefined);
  assert.equal(await htpasswd.matches("myPassword", htpasswd.hashOf("kopia") ?? ""), true);
  assert.equal(await htpasswd.matches("mypassword", htpasswd.hashOf("kopia") ?? ""), false);
  assert.equal(await htpasswd.matches("secret", htpasswd.hashOf("a@b") ?? ""), true);
  assert.equal(await htpasswd.matches("secret", htpasswd.hashOf("c@d") ?? ""), true);
  assert.equal(await htpasswd.matches("Secret", htpasswd.hashOf("c@d") ?? ""), false);
  // What cannot be checked right never matches.
  assert.equal(await htpasswd.matches("a".repeat(64), htpasswd.hashOf("long@d") ?? ""), false);
  assert.equal(
    await htpasswd.matches(`myPassword${"x".repeat(80)}`, htpasswd.hashOf("kopia") ?? ""),
    false,
  );
});

test("openHtpasswd: weak lines are refused, each named, none repeated", async () => {
  await using folder = await temporaryDirectory("htpasswd");
  const file = join(folder.path, "htpasswd");
  const weak: readonly (readonly [string, RegExp])[] = [
    ["m:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", /MD5/],
    ["s:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", /SHA-1/],
    ["t:{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", /SHA-1/],
    ["p:hunter2", /plain password/],
    ["d:rqXexS6ZhobKA", /plain password/],
    ["b:$2y$31$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", /cost 31/],
    [`r:$6$rounds=99999999$abcdefgh$${"a".repeat(86)}`, /rounds/],
    ["no colon", /form name:hash/],
  ];
  for (const [line, reason] of weak) {
    await writeFile(file, `good@b:${SHA_512}\n${line}\n`);
    await assert.rejects(openHtpasswd(file), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "SEJF_INVALID_ARGUMENT");
      assert.match(error.message, reason);
      assert.match(error.message, /line 2/);
      assert.doesNotMatch(error.message, /hunter2|rqXexS6ZhobKA/);
      assert.match(error.hint ?? "", /htpasswd -B -C 12|server user add/);
      return true;
    });
  }
  await assert.rejects(openHtpasswd(join(folder.path, "none")), { code: "SEJF_IO" });
});

test("refresh: good lines count, weak ones let nobody in and are logged; a file that is gone changes nothing", async () => {
  await using folder = await temporaryDirectory("htpasswd");
  const file = join(folder.path, "htpasswd");
  await writeFile(file, `a@b:${SHA_256}\n`);
  const htpasswd = await openHtpasswd(file);
  const log = new MemoryLog();
  await writeFile(file, `a@b:hunter2\nc@d:${SHA_512}\n`);
  await htpasswd.refresh(log);
  assert.equal(htpasswd.hashOf("a@b"), undefined);
  assert.equal(htpasswd.hashOf("c@d"), SHA_512);
  assert.equal(log.lines.length, 1);
  await rm(file);
  await htpasswd.refresh(log);
  assert.equal(htpasswd.hashOf("c@d"), SHA_512);
  assert.match(log.lines[1] ?? "", /^error .*old one counts/);
});

test("parseHtpasswd: any text gives lines that count and reasons, and repeats no hash", () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(`a:${BCRYPT}`, `b:${SHA_256}`, "c:topsecret", "#"),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
      const { hashes, refused } = parseHtpasswd(lines.join("\n"));
      for (const hash of hashes.values()) assert.match(hash, /^\$(?:2[aby]|5|6)\$/);
      assert.ok(!refused.join().includes("topsecret"));
    }),
    { numRuns: numRuns(200) },
  );
});
