/** Calls that are to fail. */
import assert from "node:assert/strict";
import { GrpcError } from "../rpc/index.ts";

/** The promise is rejected with this status of gRPC, and with this message if one is given. */
export async function rejectsWith(
  promise: Promise<unknown>,
  status: string,
  message?: string,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof GrpcError, String(error));
    assert.equal(error.status, status);
    if (message !== undefined) assert.equal(error.message, message);
    return true;
  });
}
