/** Groups in tests: logins of devices that a sealed server keeps accounts of, and a server that lies to one of them. */
import { join } from "node:path";
import { isSejfError } from "../errors/index.ts";
import {
  type AccountClient,
  AccountGroups,
  type Enrolled,
  keepGroups,
  saveDevice,
  unlockDevice,
  type UnlockedAccount,
} from "../sealing/index.ts";
import { SEALED_PASSWORD, type SealedServer } from "./sealed-server.ts";

/** A person at a device: what it keeps changes with each login. */
export class Person {
  enrolled: Enrolled;
  /** What logins told. */
  readonly told: string[] = [];
  readonly server: SealedServer;
  #unlocked: UnlockedAccount | undefined;

  constructor(server: SealedServer, enrolled: Enrolled) {
    this.server = server;
    this.enrolled = enrolled;
  }

  static async of(server: SealedServer, name: string): Promise<Person> {
    return new Person(server, await server.newSealed(name));
  }

  get account(): string {
    return this.enrolled.device.secrets.account;
  }

  /** What a login does: the groups are followed. Only the first one takes the time that passwords take. */
  async groups(): Promise<AccountGroups> {
    const { server, enrolled } = this;
    const device = {
      configFile: this.#configFile,
      device: enrolled.device,
    };
    let groups = this.#groupsOf(this.#unlocked);
    if (groups === undefined) {
      await saveDevice(this.#configFile, enrolled.device);
      const opened = await unlockDevice({
        ...device,
        server: server.https,
        askPassword: async () => await Promise.resolve(SEALED_PASSWORD),
        tools: server.tools,
        acceptRollback: false,
        tell: this.#tell,
      });
      groups = opened.groups;
      if (groups === undefined) throw new Error("no sejf server");
    } else await groups.follow();
    await this.#keep(groups);
    return groups;
  }

  /** A login, something done with groups, and the device keeps what came of it. */
  async inGroups<T>(act: (groups: AccountGroups) => Promise<T>): Promise<T> {
    const groups = await this.groups();
    const result = await act(groups);
    await this.#keep(groups);
    return result;
  }

  /** The groups as they are before a login, over a server of which some answers are other ones. */
  async deceived(
    lies: (honest: AccountClient) => Partial<AccountClient>,
    acceptRollback = false,
  ): Promise<AccountGroups> {
    const { unlocked } = await this.groups();
    const client = unlocked.client as AccountClient;
    return this.#groupsOf({ ...unlocked, client: withLies(client, lies(client)) }, acceptRollback);
  }

  #groupsOf(unlocked: UnlockedAccount, acceptRollback?: boolean): AccountGroups;
  #groupsOf(unlocked: UnlockedAccount | undefined): AccountGroups | undefined;
  #groupsOf(
    unlocked: UnlockedAccount | undefined,
    acceptRollback = false,
  ): AccountGroups | undefined {
    if (unlocked === undefined) return undefined;
    return new AccountGroups({
      tools: this.server.tools,
      account: this.account,
      unlocked,
      device: this.enrolled.device.secrets.group,
      acceptRollback,
      tell: this.#tell,
    });
  }

  async #keep(groups: AccountGroups): Promise<void> {
    const { device } = this.enrolled;
    const { tools } = this.server;
    const kept = await keepGroups({ configFile: this.#configFile, device, tools }, groups);
    this.enrolled = { ...this.enrolled, device: kept };
    this.#unlocked = groups.unlocked;
  }

  readonly #tell = (_level: string, message: string): void => void this.told.push(message);

  get #configFile(): string {
    return join(this.server.home, `${this.account}.groups.config`);
  }
}

/** The same, but for what is said instead. */
export function withLies<T extends object>(honest: T, lies: Partial<T>): T {
  return new Proxy(honest, {
    get(target, name): unknown {
      const lie = (lies as Readonly<Record<string | symbol, unknown>>)[name];
      if (lie !== undefined) return lie;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** The message of the refusal. @throws when there is none, or another error. */
export async function refusal(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    if (isSejfError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error("nothing was refused");
}
