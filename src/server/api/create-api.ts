/**
 * The endpoints of the web interface below `/api/v1`, in Kopia's shapes. Whoever mounts them has let the caller in as
 * a user of the interface, checked the token against forged requests and bounded the body. Spec: kopia-server 9.
 */
import { Hono } from "hono";
import type { HttpEnv } from "../http/types.ts";
import { addConnectRoutes } from "./connect.ts";
import { addEstimateRoutes } from "./estimate.ts";
import { failureReplyOf } from "./failure.ts";
import { addNotificationRoutes } from "./notifications.ts";
import { addObjectRoutes } from "./objects.ts";
import { addPolicyRoutes } from "./policies.ts";
import { addMountRoutes, addPreferenceRoutes } from "./preferences.ts";
import { addRepositoryRoutes } from "./repository.ts";
import { addRestoreRoutes } from "./restore.ts";
import { addSnapshotRoutes } from "./snapshots.ts";
import { addSourceRoutes } from "./sources.ts";
import { addTaskRoutes } from "./tasks.ts";
import type { ApiOptions } from "./types.ts";

export function createApi(options: ApiOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  addSourceRoutes(app, options);
  addSnapshotRoutes(app, options);
  addPolicyRoutes(app, options);
  addObjectRoutes(app, options);
  addRestoreRoutes(app, options);
  addEstimateRoutes(app, options);
  addRepositoryRoutes(app, options);
  addConnectRoutes(app, options);
  addTaskRoutes(app, options);
  addNotificationRoutes(app, options);
  addPreferenceRoutes(app, options);
  addMountRoutes(app, options);
  app.onError((error, context) => {
    const { method, path } = context.req;
    return failureReplyOf(error, (unknown) =>
      options.log.error({ method, path, err: unknown }, "an endpoint of the interface failed"),
    );
  });
  return app;
}
