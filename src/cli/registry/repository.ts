/** Commands on the repository as a whole. */
import type { RegisteredCommand } from "./types.ts";

export const REPOSITORY_COMMANDS: readonly RegisteredCommand[] = [
  {
    path: "repository audit",
    summary: "Check that the repository shows the whole past of this sealed account",
    load: () => import("../cmd/repository-audit.ts"),
  },
  {
    path: "repository change-password",
    summary: "Change repository password",
    load: () => import("../cmd/repository-change-password.ts"),
  },
  {
    path: "repository connect filesystem",
    summary: "Connect to repository in a filesystem",
    load: () => import("../cmd/repository-connect-filesystem.ts"),
  },
  {
    path: "repository connect from-config",
    summary: "Connect to repository in the provided configuration file",
    load: () => import("../cmd/repository-connect-from-config.ts"),
  },
  {
    path: "repository connect s3",
    summary: "Connect to repository in an S3 bucket",
    load: () => import("../cmd/repository-connect-s3.ts"),
  },
  {
    path: "repository connect server",
    summary: "Connect to a repository API Server",
    load: () => import("../cmd/repository-connect-server.ts"),
  },
  {
    path: "repository create filesystem",
    summary: "Create repository in a filesystem",
    load: () => import("../cmd/repository-create-filesystem.ts"),
  },
  {
    path: "repository create from-config",
    summary: "Create repository in the provided configuration file",
    load: () => import("../cmd/repository-create-from-config.ts"),
  },
  {
    path: "repository create s3",
    summary: "Create repository in an S3 bucket",
    load: () => import("../cmd/repository-create-s3.ts"),
  },
  {
    path: "repository disconnect",
    summary: "Disconnect from a repository",
    load: () => import("../cmd/repository-disconnect.ts"),
  },
  {
    path: "repository repair filesystem",
    summary: "Recover the format blob of a repository in a filesystem",
    hidden: true,
    load: () => import("../cmd/repository-repair-filesystem.ts"),
  },
  {
    path: "repository repair s3",
    summary: "Recover the format blob of a repository in an S3 bucket",
    hidden: true,
    load: () => import("../cmd/repository-repair-s3.ts"),
  },
  {
    path: "repository set-client",
    summary: "Set repository client options",
    load: () => import("../cmd/repository-set-client.ts"),
  },
  {
    path: "repository set-parameters",
    aliases: ["set-params"],
    summary: "Set repository parameters",
    load: () => import("../cmd/repository-set-parameters.ts"),
  },
  {
    path: "repository status",
    summary: "Display the status of connected repository",
    load: () => import("../cmd/repository-status.ts"),
  },
  {
    path: "repository sync-to filesystem",
    summary: "Synchronize repository data to another repository in a filesystem",
    load: () => import("../cmd/repository-sync-to-filesystem.ts"),
  },
  {
    path: "repository sync-to from-config",
    summary:
      "Synchronize repository data to another repository using the provided configuration file",
    load: () => import("../cmd/repository-sync-to-from-config.ts"),
  },
  {
    path: "repository sync-to s3",
    summary: "Synchronize repository data to another repository in an S3 bucket",
    load: () => import("../cmd/repository-sync-to-s3.ts"),
  },
  {
    path: "repository throttle get",
    summary: "Get throttling parameters for a repository",
    load: () => import("../cmd/repository-throttle-get.ts"),
  },
  {
    path: "repository throttle set",
    summary: "Set throttling parameters for a repository",
    load: () => import("../cmd/repository-throttle-set.ts"),
  },
  {
    path: "repository validate-provider",
    summary: "Validate that a repository provider is compatible with Kopia",
    load: () => import("../cmd/repository-validate-provider.ts"),
  },
];
