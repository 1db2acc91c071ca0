/** Who may do what, and what clients may write. */
export { type AccessRulesOptions, openAccessRules } from "./access-rules.ts";
export {
  addAclEntry,
  deleteAclEntry,
  enableAcl,
  listAclEntries,
  type StoredAclEntry,
} from "./acl-entries.ts";
export {
  ACCESS_LEVELS,
  type AclEntry,
  encodeAclEntry,
  formatAclTarget,
  parseAclTarget,
} from "./acl-entry.ts";
export { createManifestRules, type ManifestRulesOptions } from "./manifest-rules.ts";
