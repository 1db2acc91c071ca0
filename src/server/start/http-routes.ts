/** What the HTTP side is given: the endpoints of the interface, and what the control endpoints do. */
import {
  type ApiOptions,
  createApi,
  setThrottle,
  sourcesJson,
  statusJson,
  throttleJson,
} from "../api/index.ts";
import { type ControlActions, csrfKey, type UiOptions } from "../http/index.ts";
import type { TaskRegistry } from "../jobs/index.ts";
import type { AuditLog, ServerLog } from "../types.ts";
import type { RepositorySlot } from "./repository-slot.ts";
import type { ServedCore } from "./served-core.ts";
import { trustOf } from "./trust.ts";
import type { StartServerOptions, UiSettings } from "./types.ts";

interface RouteParts {
  readonly slot: RepositorySlot;
  readonly tasks: TaskRegistry;
  readonly log: ServerLog;
  readonly audit: AuditLog;
}

export function uiOptions(
  options: StartServerOptions,
  ui: UiSettings,
  parts: RouteParts,
): UiOptions {
  return {
    api: createApi(apiOptions(options, parts)),
    directory: ui.html,
    page: async () => await statusPage(parts.slot),
    titlePrefix: ui.titlePrefix,
    csrfKey: csrfKey(ui.signingKey),
    checkCsrf: ui.checkCsrf,
  };
}

/** `shutdown` begins to stop the server. */
export function controlActions(
  options: StartServerOptions,
  parts: RouteParts,
  shutdown: () => void,
): ControlActions {
  const api = apiOptions(options, parts);
  const connected = (core: ServedCore): ReturnType<ControlActions["connected"]> => ({
    sources: async (filter) => await sourcesJson(core, filter),
    flush: async () => await core.flush(),
    refresh: async () => await core.jobs.refresh(),
    act: (action, filter) => core.jobs.sources[action](filter),
    throttle: () => throttleJson(core),
    setThrottle: (json) => setThrottle(core, json),
  });
  return {
    status: async () => await statusJson(api),
    shutdown,
    connected: () => (parts.slot.core === undefined ? undefined : connected(parts.slot.core)),
  };
}

function apiOptions(options: StartServerOptions, parts: RouteParts): ApiOptions {
  const { slot, tasks, log, audit } = parts;
  const { configFile, env, commandPrefix, clock, ui } = options;
  return {
    served: () => slot.core,
    tasks,
    initTaskId: () => slot.initTaskId,
    switch: slot,
    configFile,
    env,
    uiPreferencesFile: ui?.preferencesFile,
    commandPrefix,
    log,
    audit,
    clock,
  };
}

async function statusPage(slot: RepositorySlot): Promise<readonly string[]> {
  const { core, notReady } = slot;
  if (core === undefined) return [`This server is running: ${notReady ?? "connected"}.`];
  return [
    `This server is running on ${core.repository.storage.displayName}; ${core.sessions.size} sessions are open.`,
    ...(await trustOf(core)),
    "No web interface is installed; --html=FOLDER serves the files of one.",
  ];
}
