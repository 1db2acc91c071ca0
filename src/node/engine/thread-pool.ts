/**
 * The threads: started when there is work for them, given jobs in turn, ended together. A thread that dies takes the
 * pool with it: everything that waits is rejected, since contents it had claimed may be lost.
 */
import type { Worker } from "node:worker_threads";
import { assert, SejfError } from "../../errors/index.ts";
import type {
  BeginThread,
  EndThread,
  FromThread,
  FullPack,
  JobReply,
  PackGrant,
  ThreadData,
  ThreadJob,
  WantPack,
} from "./protocol.ts";
import { takeThread } from "./spare-thread.ts";

/** Jobs at a thread: one that runs and one that follows without a pause. */
const JOBS_AT_THREAD = 2;

/** A thread's longest job takes far less. */
const END_MS = 30_000;

/** A job without its number. */
export type NewJob<J extends ThreadJob = ThreadJob> = J extends ThreadJob ? Omit<J, "job"> : never;

export interface PoolEvents {
  onWant(thread: number, message: WantPack): void;
  onFull(thread: number, message: FullPack): void;
  /** Once, with what ended the pool. */
  onFailure(error: SejfError): void;
}

interface Waiting {
  readonly resolve: (reply: JobReply) => void;
  readonly reject: (error: unknown) => void;
  readonly thread: Thread;
}

interface Queued {
  readonly job: NewJob;
  readonly transfer: readonly ArrayBuffer[];
  readonly resolve: (reply: JobReply) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly number: number;
  readonly worker: Worker;
  jobs: number;
}

export class ThreadPool {
  readonly #maxThreads: number;
  readonly #leaveCore: ReadonlySet<ThreadJob["op"]>;
  readonly #dataFor: (thread: number) => ThreadData;
  readonly #events: PoolEvents;
  readonly #threads: Thread[] = [];
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: Queued[] = [];
  #lastJob = 0;
  #failure: SejfError | undefined;
  #ended: Promise<unknown> | undefined;

  /** `leaveCore`: jobs beside which the main thread has as much to do. */
  constructor(
    maxThreads: number,
    leaveCore: ReadonlySet<ThreadJob["op"]>,
    dataFor: (thread: number) => ThreadData,
    events: PoolEvents,
  ) {
    this.#maxThreads = maxThreads;
    this.#leaveCore = leaveCore;
    this.#dataFor = dataFor;
    this.#events = events;
  }

  /**
   * Gives the job to the least busy thread; some kinds of jobs leave one core to the main thread.
   * @throws SEJF_WORKER, or what the job failed with.
   */
  submit(job: NewJob, transfer: readonly ArrayBuffer[] = []): Promise<JobReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#queue.push({ job, transfer, resolve, reject });
      this.#dispatch();
    });
  }

  /** Starts a thread before there is work, if none was started. */
  warmUp(): void {
    if (this.#failure === undefined && this.#threads.length === 0) this.#start();
  }

  /** The same job for every thread that was started, behind what each was given before. */
  async broadcast(job: NewJob): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await Promise.all(
      this.#threads.map(
        (thread) =>
          new Promise<JobReply>((resolve, reject) =>
            this.#post(thread, { job, transfer: [], resolve, reject }),
          ),
      ),
    );
  }

  /** Not a job: reaches the thread even while one runs. */
  grant(thread: number, grant: PackGrant): void {
    this.#threads[thread]?.worker.postMessage(grant);
  }

  /** Ends everything; what waits is rejected. Later calls are, too. */
  fail(error: SejfError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    for (const { reject } of this.#queue) reject(error);
    this.#waiting.clear();
    this.#queue.length = 0;
    this.#events.onFailure(error);
    this.#ended = Promise.all(this.#threads.map(async ({ worker }) => endThread(worker)));
  }

  async close(): Promise<void> {
    this.fail(new SejfError("SEJF_CANCELLED", "the store was closed"));
    await this.#ended;
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const leavesCore = this.#leaveCore.has(this.#queue[0]!.job.op);
      const most = leavesCore ? this.#maxThreads - 1 : this.#maxThreads;
      const thread = this.#freeThread(Math.max(1, most));
      if (thread === undefined) return;
      this.#post(thread, this.#queue.shift() as Queued);
    }
  }

  /** May start one, up to so many. */
  #freeThread(most: number): Thread | undefined {
    let best: Thread | undefined;
    for (const thread of this.#threads) {
      if (thread.jobs < (best?.jobs ?? JOBS_AT_THREAD)) best = thread;
    }
    if (best?.jobs === 0) return best;
    return this.#threads.length < most ? this.#start() : best;
  }

  #post(thread: Thread, { job, transfer, resolve, reject }: Queued): void {
    const number = ++this.#lastJob;
    this.#waiting.set(number, { resolve, reject, thread });
    if (thread.jobs++ === 0) thread.worker.ref();
    thread.worker.postMessage({ ...job, job: number }, transfer);
  }

  #start(): Thread {
    const number = this.#threads.length;
    const worker = takeThread();
    worker.postMessage({ op: "begin", data: this.#dataFor(number) } satisfies BeginThread);
    const thread: Thread = { number, worker, jobs: 0 };
    worker.on("message", (message: FromThread) => this.#onMessage(thread, message));
    worker.on("error", (error) =>
      this.fail(
        new SejfError("SEJF_WORKER", `bulk thread ${number} died: ${String(error)}`, {
          cause: error,
        }),
      ),
    );
    worker.on("exit", (code) =>
      this.fail(new SejfError("SEJF_WORKER", `bulk thread ${number} ended with status ${code}`)),
    );
    this.#threads.push(thread);
    return thread;
  }

  #onMessage(thread: Thread, message: FromThread): void {
    if (this.#failure !== undefined) return;
    if (message.op === "want") this.#events.onWant(thread.number, message);
    else if (message.op === "full") this.#events.onFull(thread.number, message);
    else this.#settle(thread, message);
  }

  #settle(thread: Thread, reply: JobReply): void {
    const waiting = this.#waiting.get(reply.job);
    assert(waiting !== undefined, `a bulk thread answered the unknown job ${reply.job}`);
    this.#waiting.delete(reply.job);
    if (--thread.jobs === 0) thread.worker.unref();
    if (reply.op === "failed") {
      const error = new SejfError(reply.code, reply.message);
      waiting.reject(error);
      if (reply.claimLost) this.fail(error);
    } else {
      waiting.resolve(reply);
    }
    this.#dispatch();
  }
}

/**
 * Asks the thread to end, and waits for it. It is not stopped from outside: a thread that is stopped while it loads a
 * native module, or while one calls back, takes the whole process with it.
 */
async function endThread(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return;
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => resolve());
    worker.once("error", () => resolve());
  });
  worker.ref();
  worker.postMessage({ op: "end" } satisfies EndThread);
  const timer = setTimeout(() => void worker.terminate(), END_MS);
  await exited;
  clearTimeout(timer);
}
