/** Times and errors as the web interface gets them. */

const MAX_LENGTH = 2000;

/** RFC 3339 with milliseconds, UTC. */
export function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** What went wrong, with what to do about it; bounded. Never a stack trace. */
export function oneLineMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*\n\s*/g, " ").slice(0, MAX_LENGTH);
}
