/** The accounts of whatever repository is served at this moment; none while there is none. */
import { SejfError } from "../../errors/index.ts";
import type { AccountBook, TokenBook } from "../accounts/index.ts";
import type { ServedCore } from "./served-core.ts";

/** For the gate, which outlives a repository. */
export function slotAccounts(slot: { readonly core: ServedCore | undefined }): AccountBook {
  const book = (): AccountBook => {
    if (slot.core === undefined)
      throw new SejfError("SEJF_NOT_CONNECTED", "the server is not connected to a repository");
    return slot.core.accounts;
  };
  return {
    find: async (name, options) => await slot.core?.accounts.find(name, options),
    settingsOf: async (name, options) => await book().settingsOf(name, options),
    list: async (options) => (await slot.core?.accounts.list(options)) ?? [],
    set: async (name, change, options) => await book().set(name, change, options),
    delete: async (name, options) => await book().delete(name, options),
    refresh: () => slot.core?.accounts.refresh(),
  };
}

/** The tokens of its sealed accounts. */
export function slotTokens(slot: { readonly core: ServedCore | undefined }): TokenBook {
  return {
    find: async (account, token, options) =>
      await slot.core?.sealed.tokens.find(account, token, options),
    renew: async (account, sha256, options) =>
      await slot.core?.sealed.tokens.renew(account, sha256, options),
  };
}
