import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../testkit/clock.ts";
import { memoryRepository } from "../../testkit/memory-repository.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { CheapPasswords, MemoryAudit, MemoryLog } from "../../testkit/server-parts.ts";
import type { LoginGate, LoginRequest } from "../types.ts";
import { openAccounts } from "./account-book.ts";
import type { HtpasswdFile } from "./htpasswd.ts";
import { createLoginGate, type LoginGateOptions } from "./login-gate.ts";
import type { AccountBook } from "./types.ts";

interface Parts {
  readonly gate: LoginGate;
  readonly accounts: AccountBook;
  readonly passwords: CheapPasswords;
  readonly audit: MemoryAudit;
  readonly log: MemoryLog;
  readonly clock: FakeClock;
}

/** alice@laptop with `alice-pw`; UI user `kopia`, control user `server-control`. */
async function open(options: Partial<LoginGateOptions> = {}): Promise<Parts> {
  const clock = new FakeClock().autoAdvance();
  const passwords = new CheapPasswords();
  const { manifests } = memoryRepository({ clock });
  const random = new SeededRandom(2);
  const { engine } = passwords;
  const accounts = openAccounts({ manifests, clock, random, engine });
  await accounts.set("alice@laptop", { password: "alice-pw" });
  passwords.derived = 0;
  const audit = new MemoryAudit();
  const log = new MemoryLog();
  const gate = createLoginGate({
    accounts,
    ui: { name: "kopia", password: "ui-pw" },
    control: { name: "server-control", password: "control-pw" },
    clock,
    random,
    audit,
    log,
    engine,
    sleep: clock.sleep,
    ...options,
  });
  return { gate, accounts, passwords, audit, log, clock };
}

function asking(name: string, password: string, more: Partial<LoginRequest> = {}): LoginRequest {
  return { name, password, address: "10.0.0.1", door: "grpc", ...more };
}

function fakeHtpasswd(lines: Record<string, string>): HtpasswdFile {
  return {
    hashOf: (name) => lines[name],
    matches: async (password, hash) => await Promise.resolve(hash === `hash of ${password}`),
    refresh: async () => await Promise.resolve(),
  };
}

test("login: an account comes in by both doors, its hash stays behind", async () => {
  const { gate, audit } = await open();
  for (const door of ["grpc", "http"] as const) {
    const { principal } = await gate.login(asking("alice@laptop", "alice-pw", { door }));
    assert.equal(principal.role, "account");
    assert.ok(principal.role === "account");
    assert.equal(principal.account.name, "alice@laptop");
    assert.deepEqual(Object.keys(principal.account).toSorted(), [
      "appendOnly",
      "encryption",
      "hostname",
      "name",
      "quotaBytes",
      "username",
    ]);
  }
  assert.deepEqual(
    audit.events.map(({ action, who, result }) => [action, who, result]),
    [
      ["login", "alice@laptop", "ok"],
      ["login", "alice@laptop", "ok"],
    ],
  );
});

test("login: the users of the web interface and of the control commands enter by HTTP only", async () => {
  const { gate } = await open();
  const ui = await gate.login(asking("kopia", "ui-pw", { door: "http" }));
  assert.deepEqual(ui.principal, { role: "ui", name: "kopia" });
  const control = await gate.login(asking("server-control", "control-pw", { door: "http" }));
  assert.deepEqual(control.principal, { role: "control", name: "server-control" });
  await assert.rejects(gate.login(asking("kopia", "ui-pw")), { code: "SEJF_ACCESS_DENIED" });
  await assert.rejects(gate.login(asking("kopia", "control-pw", { door: "http" })), {
    code: "SEJF_ACCESS_DENIED",
  });
});

test("login: an account named as the user of the web interface does not become him (finding 12.3)", async () => {
  const clock = new FakeClock().autoAdvance();
  const { manifests } = memoryRepository({ clock });
  const random = new SeededRandom(2);
  const { engine } = new CheapPasswords();
  const accounts = openAccounts({ manifests, clock, random, engine });
  await accounts.set("kopia@nas", { password: "mine" });
  const [own] = await manifests.find({ type: "user" });
  assert.ok(own !== undefined);
  // What the attacker may write on a kopia server: its own user and host as labels, and a name of its choice.
  const { data } = await manifests.get(own.id);
  const labels = { type: "user", username: "kopia", hostname: "nas" };
  await manifests.put(labels, { ...(data as object), username: "kopia" });

  // Kopia finds a profile by `type` and `username` alone, and compares the name that came in with the UI's.
  const found = await manifests.find({ type: "user", username: "kopia" });
  assert.equal(found.length, 1, "the attack works with Kopia's rule: there is a profile `kopia`");

  accounts.refresh();
  const { gate } = await open({ accounts });
  await assert.rejects(gate.login(asking("kopia", "mine", { door: "http" })), {
    code: "SEJF_ACCESS_DENIED",
  });
  const { principal } = await gate.login(asking("kopia@nas", "mine", { door: "http" }));
  assert.equal(principal.role, "account");
});

test("login: roles come from the list that let somebody in, also when the names are equal", async () => {
  const { gate, accounts } = await open({ ui: { name: "admin@nas", password: "ui-pw" } });
  await accounts.set("admin@nas", { password: "account-pw" });
  const http = { door: "http" } as const;
  const asUi = await gate.login(asking("admin@nas", "ui-pw", http));
  assert.equal(asUi.principal.role, "ui");
  const asAccount = await gate.login(asking("admin@nas", "account-pw", http));
  assert.equal(asAccount.principal.role, "account");
});

test("login: unknown names and wrong passwords cost one key each and end at the same step of time", async () => {
  const { gate, passwords, clock } = await open();
  for (const name of ["alice@laptop", "nobody@laptop", "kopia", "not a name", ""]) {
    for (const door of ["grpc", "http"] as const) {
      passwords.derived = 0;
      const before = clock.nowMs();
      await assert.rejects(
        gate.login(asking(name, "wrong", { door, address: `${name} ${door}` })),
        {
          code: "SEJF_ACCESS_DENIED",
          message: `access denied for ${name}`,
        },
      );
      assert.equal(passwords.derived, 1, name);
      assert.equal(clock.nowMs() - before, 500);
    }
  }
});

test("login: no password of the dummy, none without a profile, none that is empty", async () => {
  const { gate, accounts } = await open({ ui: { name: "kopia" } });
  await accounts.set("quiet@b", { appendOnly: true });
  for (const [name, password] of [
    ["quiet@b", ""],
    ["quiet@b", "x"],
    ["kopia", ""],
    ["alice@laptop", ""],
  ] as const)
    await assert.rejects(gate.login(asking(name, password, { door: "http" })), {
      code: "SEJF_ACCESS_DENIED",
    });
  await assert.rejects(gate.login(asking("alice@laptop", "x".repeat(5000))), {
    code: "SEJF_ACCESS_DENIED",
  });
});

test("login: guessing is throttled and logged, and does not stop others (finding 12.11)", async () => {
  const { gate, passwords, audit, log, clock } = await open();
  let locked = 0;
  for (let i = 0; i < 100; i++) {
    try {
      await gate.login(asking("alice@laptop", `guess ${i}`, { address: "6.6.6.6" }));
    } catch (error) {
      if ((error as { code: string }).code === "SEJF_LOCKED") locked++;
    }
  }
  // Kopia's rule is to check every one: 100 keys.
  assert.equal(passwords.derived + locked, 100);
  assert.ok(passwords.derived <= 6, `${passwords.derived} keys`);
  assert.ok(audit.events.every(({ result, from }) => result === "denied" && from === "6.6.6.6"));
  assert.ok(audit.events.length <= 8, "refusals of one wait are written down once");
  assert.ok(log.lines.every((line) => line.startsWith("warn login refused")));
  assert.ok(!JSON.stringify([audit.events, log.lines]).includes("guess"));
  await assert.rejects(gate.login(asking("alice@laptop", "alice-pw", { address: "6.6.6.6" })), {
    code: "SEJF_LOCKED",
    retryable: true,
  });
  await gate.login(asking("alice@laptop", "alice-pw", { address: "6.6.6.6" })).catch(() => {});
  clock.advance(5 * 60_000);
  await gate.login(asking("alice@laptop", "alice-pw", { address: "6.6.6.6" }));
});

test("login: right guesses during a wait tell nothing, not even when the password was right lately", async () => {
  const { gate } = await open();
  await gate.login(asking("alice@laptop", "alice-pw"));
  for (let i = 0; i < 6; i++)
    await gate.login(asking("alice@laptop", `no ${i}`, { address: "6.6.6.6" })).catch(() => {});
  const codes = await Promise.all(
    ["alice-pw", "wrong"].map(
      async (password) =>
        await gate.login(asking("alice@laptop", password, { address: "6.6.6.6" })).then(
          () => "in",
          (error: { code: string }) => error.code,
        ),
    ),
  );
  assert.deepEqual(codes, ["SEJF_LOCKED", "SEJF_LOCKED"]);
});

test("login: many at once derive two keys at the same time, and later ones see the failures before them", async () => {
  const { gate, passwords } = await open();
  passwords.onDerive = async () => await new Promise((resolve) => setImmediate(resolve));
  const results = await Promise.allSettled(
    Array.from(
      { length: 30 },
      async (_, i) => await gate.login(asking("alice@laptop", `guess ${i}`)),
    ),
  );
  assert.ok(results.every(({ status }) => status === "rejected"));
  assert.ok(passwords.mostAtOnce <= 2);
  assert.ok(passwords.derived <= 7, `${passwords.derived} keys`);
});

test("login: more than can be served are turned away, addresses have their turns", async () => {
  const { gate, passwords } = await open();
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  passwords.onDerive = async () => await held;
  const flood = Array.from(
    { length: 100 },
    async (_, i) =>
      await gate
        .login(asking(`user${i}@b`, "x", { address: "6.6.6.6" }))
        .catch((error: { code: string }) => error.code),
  );
  const alice = gate.login(asking("alice@laptop", "alice-pw", { address: "7.7.7.7" }));
  await new Promise((resolve) => setImmediate(resolve));
  release();
  assert.equal((await alice).principal.role, "account");
  const codes = await Promise.all(flood);
  assert.ok(codes.filter((code) => code === "SEJF_LOCKED").length >= 68);
});

test("login: sessions that open at once, and soon after, share one key", async () => {
  const { gate, passwords, clock, accounts } = await open();
  await Promise.all(
    Array.from({ length: 16 }, async () => await gate.login(asking("alice@laptop", "alice-pw"))),
  );
  assert.equal(passwords.derived, 1);
  clock.advance(9 * 60_000);
  await gate.login(asking("alice@laptop", "alice-pw"));
  assert.equal(passwords.derived, 1);
  await assert.rejects(gate.login(asking("alice@laptop", "wrong")), { code: "SEJF_ACCESS_DENIED" });
  clock.advance(60_000);
  await gate.login(asking("alice@laptop", "alice-pw"));
  assert.equal(passwords.derived, 3);
  await accounts.set("alice@laptop", { password: "other" });
  await assert.rejects(gate.login(asking("alice@laptop", "alice-pw")), {
    code: "SEJF_ACCESS_DENIED",
  });
});

test("renew: derives nothing, ends with the account or its password, brings new settings", async () => {
  const { gate, passwords, accounts } = await open();
  const login = await gate.login(asking("alice@laptop", "alice-pw"));
  passwords.derived = 0;
  assert.deepEqual(await login.renew(), login.principal);
  await accounts.set("alice@laptop", { appendOnly: true });
  const renewed = await login.renew();
  assert.ok(renewed?.role === "account");
  assert.equal(renewed.account.appendOnly, true);
  assert.equal(passwords.derived, 0);
  await accounts.set("alice@laptop", { password: "other" });
  assert.equal(await login.renew(), undefined);
  const again = await gate.login(asking("alice@laptop", "other"));
  await accounts.delete("alice@laptop");
  assert.equal(await again.renew(), undefined);
});

test("login: lines of the htpasswd file are accounts, or the operator's users where they have the name", async () => {
  const lines: Record<string, string> = {
    "file@b": "hash of f",
    kopia: "hash of u",
    "server-control": "hash of c",
    stranger: "hash of s",
  };
  const { gate, accounts } = await open({
    htpasswd: fakeHtpasswd(lines),
    ui: { name: "kopia" },
  });
  const http = { door: "http" } as const;
  const account = await gate.login(asking("file@b", "f"));
  assert.ok(account.principal.role === "account");
  assert.equal(account.principal.account.appendOnly, false);
  await accounts.set("file@b", { appendOnly: true });
  const renewed = await account.renew();
  assert.ok(renewed?.role === "account" && renewed.account.appendOnly);
  assert.equal((await gate.login(asking("kopia", "u", http))).principal.role, "ui");
  assert.equal((await gate.login(asking("server-control", "c", http))).principal.role, "control");
  for (const request of [
    asking("kopia", "u"),
    asking("stranger", "s", http),
    asking("stranger", "s"),
  ])
    await assert.rejects(gate.login(request), { code: "SEJF_ACCESS_DENIED" });
  delete lines["file@b"];
  assert.equal(await account.renew(), undefined);
  await assert.rejects(gate.login(asking("file@b", "f")), { code: "SEJF_ACCESS_DENIED" });
});
