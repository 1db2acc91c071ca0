/**
 * Repositories: the seam that everything above hangs on, the connection file, and the direct repository, which
 * works on the storage itself.
 */
export type { ClientIdentity, Repository, RepositoryParameters } from "./types.ts";
