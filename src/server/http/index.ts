/** The HTTP side of the server: routes, authentication, control endpoints, metrics, audit log. */
export { createHttpApp, createHttpHandler, createMetricsHandler } from "./app.ts";
export {
  type AuditFileOptions,
  auditLine,
  openAuditFile,
  RotatedFile,
  type RotatedFileOptions,
} from "./audit-file.ts";
export { withoutRepeats } from "./audit-repeats.ts";
export {
  type ConnectedActions,
  type ControlActions,
  createControlApi,
  type SourceAction,
} from "./control-api.ts";
export { csrfKey } from "./csrf.ts";
export { type MetricsSources, ServerMetrics } from "./metrics.ts";
export { errorReply, jsonReply } from "./replies.ts";
export type { HttpEnv, HttpOptions, UiOptions } from "./types.ts";
