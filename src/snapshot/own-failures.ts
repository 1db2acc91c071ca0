/** Failures that belong to a directory itself, not to one below: they stay when its entries change. */
import { compareNames } from "./names.ts";
import type { Directory, DirectorySummary, FailedEntry } from "./types.ts";

interface OwnFailures {
  readonly failed: number;
  readonly ignoredErrors: number;
  readonly errors: readonly FailedEntry[];
}

const NONE: OwnFailures = { failed: 0, ignoredErrors: 0, errors: [] };

/** By its summary and those of its child directories, which a summary repeats. */
function ownFailures({ entries, summary }: Directory): OwnFailures {
  if (summary === undefined || summary.failed + summary.ignoredErrors === 0) return NONE;
  const below = entries.flatMap((entry) => (entry.summary === undefined ? [] : [entry.summary]));
  const errors = new Map(summary.errors.map((failure) => [failure.path, failure]));
  for (const one of below) for (const { path } of one.errors) errors.delete(path);
  const own = (count: (summary: DirectorySummary) => number): number =>
    Math.max(0, count(summary) - below.reduce((sum, one) => sum + count(one), 0));
  return {
    failed: own(({ failed }) => failed),
    ignoredErrors: own(({ ignoredErrors }) => ignoredErrors),
    errors: [...errors.values()],
  };
}

/** A new summary with what had failed in the directory before. */
export function withOwnFailures(summary: DirectorySummary, before: Directory): DirectorySummary {
  const own = ownFailures(before);
  if (own === NONE) return summary;
  return {
    ...summary,
    failed: summary.failed + own.failed,
    ignoredErrors: summary.ignoredErrors + own.ignoredErrors,
    errors: [...summary.errors, ...own.errors].toSorted((a, b) => compareNames(a.path, b.path)),
  };
}
