/** The endpoints of the web interface. */
export { createApi } from "./create-api.ts";
export { setThrottle, statusJson, throttleJson } from "./repository.ts";
export { sourcesJson } from "./sources.ts";
export type {
  AdjustableLimits,
  ApiOptions,
  ApiVariables,
  RepositorySwitch,
  ServedRepository,
} from "./types.ts";
