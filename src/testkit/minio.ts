/** A real MinIO on this machine, with a folder, a port and keys of its own. Where there is none, `MINIO_SKIP` says why. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Config } from "../storage/index.ts";
import { findProgram } from "./kopia.ts";
import { freePort } from "./kopia-server.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./temp.ts";

/** `MINIO_EXE`, else the first `minio` in the PATH. */
export const MINIO_EXE: string | undefined = findProgram("minio", "MINIO_EXE");

/** For `test(name, { skip: MINIO_SKIP }, …)`: false when a MinIO is there, else the reason. */
export const MINIO_SKIP: string | false =
  MINIO_EXE === undefined ? "no minio in the PATH and MINIO_EXE is not set" : false;

export const MINIO_ACCESS_KEY = "minio-test-user";
export const MINIO_SECRET_KEY = "minio-test-secret";

export interface BucketOptions {
  readonly versioned?: boolean | undefined;
  /** Object Lock, which brings versions. */
  readonly locking?: boolean | undefined;
}

export class Minio implements AsyncDisposable {
  readonly endpoint: string;
  /** For what the storage itself does not offer. */
  readonly client: S3Client;
  readonly #home: TemporaryDirectory;
  readonly #process: ChildProcess;
  #buckets = 0;

  private constructor(endpoint: string, home: TemporaryDirectory, process: ChildProcess) {
    this.endpoint = endpoint;
    this.#home = home;
    this.#process = process;
    this.client = new S3Client({
      region: "us-east-1",
      endpoint: `http://${endpoint}`,
      forcePathStyle: true,
      credentials: { accessKeyId: MINIO_ACCESS_KEY, secretAccessKey: MINIO_SECRET_KEY },
    });
  }

  /** Only for tests that are skipped with `MINIO_SKIP`. */
  static async start(): Promise<Minio> {
    if (MINIO_EXE === undefined) throw new Error(String(MINIO_SKIP));
    const home = await temporaryDirectory("minio");
    const endpoint = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      MINIO_EXE,
      [
        "server",
        join(home.path, "data"),
        "--address",
        endpoint,
        "--console-address",
        "127.0.0.1:0",
      ],
      {
        stdio: "ignore",
        env: {
          PATH: process.env["PATH"] ?? "",
          HOME: home.path,
          MINIO_ROOT_USER: MINIO_ACCESS_KEY,
          MINIO_ROOT_PASSWORD: MINIO_SECRET_KEY,
        },
      },
    );
    const minio = new Minio(endpoint, home, child);
    try {
      await minio.#ready();
      return minio;
    } catch (error) {
      await minio[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A new empty bucket. */
  async bucket(options: BucketOptions = {}): Promise<string> {
    const name = `bucket-${++this.#buckets}`;
    const locking = options.locking === true;
    await this.client.send(
      new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: locking }),
    );
    if (options.versioned === true && !locking) {
      await this.client.send(
        new PutBucketVersioningCommand({
          Bucket: name,
          VersioningConfiguration: { Status: "Enabled" },
        }),
      );
    }
    return name;
  }

  config(bucket: string, more: Partial<S3Config> = {}): S3Config {
    return {
      bucket,
      endpoint: this.endpoint,
      doNotUseTLS: true,
      accessKeyID: MINIO_ACCESS_KEY,
      secretAccessKey: MINIO_SECRET_KEY,
      ...more,
    };
  }

  /** For the command line; the keys are in `MINIO_ENV`. */
  flags(bucket: string): readonly string[] {
    return [`--bucket=${bucket}`, `--endpoint=${this.endpoint}`, "--disable-tls"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    if (this.#process.exitCode === null && this.#process.pid !== undefined) {
      const closed = new Promise<void>((resolve) => this.#process.once("close", () => resolve()));
      this.#process.kill("SIGKILL");
      await closed;
    }
    await this.#home[Symbol.asyncDispose]();
  }

  async #ready(): Promise<void> {
    const signal = AbortSignal.timeout(30_000);
    for (;;) {
      signal.throwIfAborted();
      if (this.#process.exitCode !== null) throw new Error("MinIO ended at once");
      const answer = await fetch(`http://${this.endpoint}/minio/health/live`).catch(
        () => undefined,
      );
      if (answer?.ok === true) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

export const MINIO_ENV: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: MINIO_ACCESS_KEY,
  AWS_SECRET_ACCESS_KEY: MINIO_SECRET_KEY,
};
