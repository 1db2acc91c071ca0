/** How far an upload of the server's own is: Kopia's counters for the list of sources and for its task. */
import { isSejfError } from "../../errors/index.ts";
import type { UploadCounters, UploadEvent } from "../../snapshot/index.ts";
import type { TaskControl, TaskCounter, TaskCounters } from "./task-types.ts";
import type { UploadStatus } from "./types.ts";

export class UploadProgress {
  readonly #control: Pick<TaskControl, "counters" | "progress" | "log">;
  #counters: UploadCounters | undefined;
  #estimatedFiles = 0;
  #estimatedBytes = 0;
  #lastErrorPath = "";
  #lastError = "";

  constructor(control: Pick<TaskControl, "counters" | "progress" | "log">) {
    this.#control = control;
  }

  readonly onEvent = (event: UploadEvent): void => {
    const { kind } = event;
    switch (kind) {
      case "progress":
        this.#counters = { ...event.counters };
        this.#control.counters(this.taskCounters(false));
        break;
      case "estimate":
        this.#estimatedFiles = event.files;
        this.#estimatedBytes = event.bytes;
        break;
      case "error":
        this.#lastErrorPath = event.path;
        this.#lastError = event.message;
        this.#control.log(event.ignored ? "warn" : "error", event.message, { path: event.path });
        break;
      case "warning":
        this.#control.log("warn", event.message, { path: event.path });
        break;
      case "action":
        // Never run: whoever writes policies would decide what this machine does.
        if (event.state === "disabled")
          this.#control.log("warn", `the action ${event.action} is not run by a server`, {
            path: event.path,
          });
        break;
      case "checkpoint":
        this.#control.log("debug", `checkpoint saved with ID ${event.snapshot.id}`);
        break;
      case "entry":
        break;
    }
  };

  /** Why the upload ended without a complete snapshot. */
  failed(error: unknown): void {
    this.#control.log(isSejfError(error, "SEJF_CANCELLED") ? "info" : "error", String(error));
  }

  status(): UploadStatus {
    const counters = this.#counters;
    return {
      cachedBytes: counters?.cachedBytes ?? 0,
      hashedBytes: (counters?.hashedBytes ?? 0) + (counters?.openBytes ?? 0),
      uploadedBytes: counters?.newBytes ?? 0,
      estimatedBytes: this.#estimatedBytes,
      cachedFiles: counters?.cachedFiles ?? 0,
      hashedFiles: counters?.hashedFiles ?? 0,
      excludedFiles: counters?.excludedFiles ?? 0,
      excludedDirs: counters?.excludedDirectories ?? 0,
      errors: counters?.errors ?? 0,
      ignoredErrors: counters?.ignoredErrors ?? 0,
      estimatedFiles: this.#estimatedFiles,
      directory: "",
      lastErrorPath: this.#lastErrorPath,
      lastError: this.#lastError,
    };
  }

  /** Under Kopia's names; without the estimate at the end. */
  taskCounters(final: boolean): TaskCounters {
    const { cachedFiles, hashedFiles, cachedBytes, hashedBytes, uploadedBytes, ...rest } =
      this.status();
    const all = {
      "Cached Files": plain(cachedFiles),
      "Hashed Files": plain(hashedFiles),
      "Processed Files": plain(hashedFiles + cachedFiles),
      "Cached Bytes": bytes(cachedBytes),
      "Hashed Bytes": bytes(hashedBytes),
      "Processed Bytes": bytes(hashedBytes + cachedBytes),
      "Uploaded Bytes": bytes(uploadedBytes),
      "Excluded Files": plain(rest.excludedFiles),
      "Excluded Directories": plain(rest.excludedDirs),
      Errors: errors(rest.errors),
    };
    if (final) return all;
    const estimated = {
      "Estimated Files": plain(rest.estimatedFiles),
      "Estimated Bytes": bytes(rest.estimatedBytes),
    };
    return { ...all, ...estimated };
  }
}

export function plain(value: number): TaskCounter {
  return { value, level: "" };
}

export function bytes(value: number): TaskCounter {
  return { value, units: "bytes", level: "" };
}

export function errors(value: number): TaskCounter {
  return { value, level: "error" };
}
