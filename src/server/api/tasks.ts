/** `tasks`: what runs and what ran. Works without a repository. Spec: kopia-server 9. */
import type { Hono } from "hono";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import { ApiFailure } from "./failure.ts";
import { recorded } from "./request.ts";
import type { ApiOptions } from "./types.ts";

export function addTaskRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  const { tasks } = options;
  app.get("/tasks", () => jsonReply({ tasks: tasks.list() }));
  app.get("/tasks-summary", () => jsonReply(tasks.summary()));
  app.get("/tasks/:taskID", (context) => {
    const task = tasks.get(context.req.param("taskID"));
    if (task === undefined) throw new ApiFailure("NOT_FOUND", "task not found");
    return jsonReply(task);
  });
  app.get("/tasks/:taskID/logs", (context) =>
    jsonReply({ logs: tasks.logs(context.req.param("taskID")) ?? null }),
  );
  app.post("/tasks/:taskID/cancel", async (context) => {
    const id = context.req.param("taskID");
    // oxlint-disable-next-line require-await -- recorded as what takes time is
    await recorded(options, context, { action: "task.cancel", target: id }, async () =>
      tasks.cancel(id),
    );
    return jsonReply({});
  });
}
