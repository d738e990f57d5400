import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Plan } from "../plan/step.ts";
import type { FeatureScore, RunSeconds } from "./runner.ts";
import type { FromProcess, ProcessSetup, ToProcess } from "./search-process.ts";

/** What running a plan brought. */
export interface PlanResult {
  readonly scores: readonly FeatureScore[];
  /** The runner's own account. */
  readonly peakBytes: number;
  /** Memory of the process of inference: the most there was after a step, and what there was after the last. */
  readonly residentBytes: { readonly peak: number; readonly last: number };
  readonly seconds: RunSeconds;
}

export interface RunPlanOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (done: number, total: number) => void;
}

/** The plan under way. */
interface PlanListener {
  onMessage(message: FromProcess): void;
  reject(cause: Error): void;
}

const NOBODY: PlanListener = { onMessage: () => undefined, reject: () => undefined };
/** How long a process that was asked to end may take. */
const CLOSE_MS = 5000;

/**
 * Runs plans, one after the other, in a process of its own: onnxruntime blocks it and nothing else, and its memory goes
 * back when it ends. Started: waits for its setup. Set up: runs plans. Broken (it ended by itself): the plan under way
 * and all later ones fail. Restarted: a new process with the same setup, and nothing loaded. Closed: ended.
 */
export class PlanRunner {
  #child: ChildProcess;
  #setup: ProcessSetup | null = null;
  readonly #prepared = new Map<string, number>();
  #current = NOBODY;
  #broken: Error | null = null;

  constructor() {
    this.#child = this.#start();
  }

  setUp(setup: ProcessSetup): void {
    this.#setup = setup;
    this.#send({ kind: "setup", setup });
  }

  /** Tells that the items of a root are prepared up to (without) this place of the search's order. */
  markPrepared(root: string, end: number): void {
    this.#prepared.set(root, end);
    this.#send({ kind: "prepared", root, end });
  }

  /** @throws the signal's reason when it is aborted: what was finished is kept */
  async run(plan: Plan, { signal, onStep }: RunPlanOptions = {}): Promise<PlanResult> {
    signal?.throwIfAborted();
    if (this.#broken) throw this.#broken;
    const stop = (): void => this.#send({ kind: "interrupt" });
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await new Promise<PlanResult>((resolve, reject) => {
        const scores: FeatureScore[] = [];
        const residentBytes = { peak: 0, last: 0 };
        const onMessage = (message: FromProcess): void => {
          switch (message.kind) {
            case "step":
              residentBytes.last = message.residentBytes;
              residentBytes.peak = Math.max(residentBytes.peak, message.residentBytes);
              return onStep?.(message.done, message.total);
            case "score":
              return void scores.push(message.score);
            case "done": {
              const { peakBytes, seconds } = message;
              return resolve({ scores, peakBytes, residentBytes, seconds });
            }
            case "interrupted":
              return reject(signal?.reason instanceof Error ? signal.reason : new Error("interrupted"));
            case "failed":
              return reject(message.error);
          }
        };
        this.#current = { onMessage, reject };
        this.#send({ kind: "plan", plan });
      });
    } finally {
      this.#current = NOBODY;
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Ends the process and starts another: for one that does not give its memory back. Nothing is loaded then. */
  async restart(): Promise<void> {
    if (!this.#setup) throw new Error("a runner is restarted before it was set up");
    await this.close();
    this.#broken = null;
    this.#child = this.#start();
    this.#send({ kind: "setup", setup: this.#setup });
    for (const [root, end] of this.#prepared) this.#send({ kind: "prepared", root, end });
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.removeAllListeners("message");
    this.#send({ kind: "close" });
    const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(new URL("./search-process.js", import.meta.url)), {
      serialization: "advanced",
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const fail = (cause: Error): void => {
      if (child !== this.#child) return;
      this.#broken ??= cause;
      this.#current.reject(cause);
    };
    child.on("message", (message) => this.#current.onMessage(message as FromProcess));
    child.on("error", fail);
    child.on("exit", (code, signal) =>
      fail(new Error(`the process of inference ended ${signal ? `by ${signal}` : `with code ${code}`}`)),
    );
    return child;
  }

  #send(message: ToProcess): void {
    // a process that has ended is told by its exit
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}
