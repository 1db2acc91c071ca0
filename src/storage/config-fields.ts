/** What the configurations of all storages have in common: the checking, and the limits that Kopia keeps in each. */
import { z } from "zod";
import { SejfError } from "../errors/index.ts";

/** 0 or more. */
export const rate: z.ZodNumber = z.number().min(0);
export const count: z.ZodInt = z.int().min(0);

interface LimitFields {
  readonly readsPerSecond: z.ZodOptional<z.ZodNumber>;
  readonly writesPerSecond: z.ZodOptional<z.ZodNumber>;
  readonly listsPerSecond: z.ZodOptional<z.ZodNumber>;
  readonly maxUploadSpeedBytesPerSecond: z.ZodOptional<z.ZodNumber>;
  readonly maxDownloadSpeedBytesPerSecond: z.ZodOptional<z.ZodNumber>;
  readonly concurrentReads: z.ZodOptional<z.ZodInt>;
  readonly concurrentWrites: z.ZodOptional<z.ZodInt>;
}

/** Of `ThrottlingLimits`, in Kopia's order. */
export const LIMIT_FIELDS: LimitFields = {
  readsPerSecond: rate.optional(),
  writesPerSecond: rate.optional(),
  listsPerSecond: rate.optional(),
  maxUploadSpeedBytesPerSecond: rate.optional(),
  maxDownloadSpeedBytesPerSecond: rate.optional(),
  concurrentReads: count.optional(),
  concurrentWrites: count.optional(),
};

/** @throws SEJF_INVALID_ARGUMENT naming each field with a value that cannot be, never the value. */
export function parseStorageConfig<T>(schema: z.ZodType<T>, config: unknown, storage: string): T {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "config"}: ${issue.message}`,
  );
  throw new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `configuration of the ${storage} storage: ${problems.join("; ")}`,
  );
}
