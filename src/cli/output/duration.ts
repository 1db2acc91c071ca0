/** Durations in Go's notation, as flags take them and listings show them. */
export { formatDuration, parseDuration } from "../../bytes/index.ts";
