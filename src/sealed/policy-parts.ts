/** What a sealed account tells a server in its policies, and whether a change of it lets go of what was kept. Spec: sealed 5, 9. */

type Json = Readonly<Record<string, unknown>>;

/**
 * Whether retention by `after` may keep less than by `before`, both as policies have it. What is not understood counts as
 * less: then the delete password is asked for.
 */
export function shortensRetention(before: Json | null, after: Json | null): boolean {
  const old = retentionOf(before);
  const next = retentionOf(after);
  for (const name of new Set([...Object.keys(old), ...Object.keys(next)])) {
    const [from, to] = [countOf(old[name]), countOf(next[name])];
    const isMore = from !== undefined && to !== undefined && to >= from;
    // Snapshots that change nothing are not kept when it is set.
    const isUnset = name === "ignoreIdenticalSnapshots" && (next[name] ?? false) === false;
    if (!isMore && !isUnset && old[name] !== next[name]) return true;
  }
  return false;
}

function retentionOf(policy: Json | null): Json {
  const retention = policy?.["retention"];
  return typeof retention === "object" && retention !== null ? (retention as Json) : {};
}

/** Nothing set counts as 0: of several policies the server takes the highest number. */
function countOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  return typeof value === "number" ? value : undefined;
}
