/** OPAQUE whose clients stretch keys as little as it can be done, whatever is asked for: see `quick-passwords.ts`. */
import * as opaque from "@serenity-kit/opaque";

export { ready, server } from "@serenity-kit/opaque";

const keyStretching = {
  "argon2id-custom": { memory: 8, iterations: 1, parallelism: 1 },
} as const;

export const client: typeof opaque.client = {
  ...opaque.client,
  finishRegistration: (params) => opaque.client.finishRegistration({ ...params, keyStretching }),
  finishLogin: (params) => opaque.client.finishLogin({ ...params, keyStretching }),
};
