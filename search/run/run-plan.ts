import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Device } from "../device/device.ts";
import { haveSameEnvironment, inferenceEnvironment } from "../device/inference-environment.ts";
import type { MemoryBytes, Plan, Segment, Step } from "../plan/step.ts";
import { mallocSettings } from "./malloc-settings.ts";
import { RunFailure, type FailureKind } from "./run-failure.ts";
import type { FeatureScore, RunSeconds } from "./runner.ts";
import type { Measured, MeasureRequest } from "../tune/measured.ts";
import type { FromProcess, ProcessSetup, ToProcess } from "./process-message.ts";

/** What running a plan brought. */
export interface PlanResult {
  readonly scores: readonly FeatureScore[];
  /** The runner's own account. */
  readonly peakBytes: MemoryBytes;
  /** Memory of the process of inference: the most there was after a step, and what there was after the last. */
  readonly residentBytes: { readonly peak: number; readonly last: number };
  readonly seconds: RunSeconds;
}

export interface RunPlanOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: (done: number, total: number) => void;
}

export interface PlanRunnerOptions {
  /** Cores of the CPU that it may use. */
  readonly threads: number;
  /** As of `SearchOptions`. */
  readonly budgetBytes: number;
  /** What it will probably be set up for: started for the wrong one, it may have to be started again. Default: the CPU. */
  readonly device?: Device | undefined;
  /** What runs in the process; default: `search-process.ts`. */
  readonly entry?: URL | undefined;
  /** How long a device may take for a batch, or to open a segment, before it counts as hung. Default: 120,000. */
  readonly hangMs?: number | undefined;
}

/** What the process was asked last. */
interface Listener {
  onMessage(message: FromProcess): void;
  onEnd(cause: Error): void;
}

const NOBODY: Listener = { onMessage: () => undefined, onEnd: () => undefined };

/** How an answer is taken from what the process sends. */
interface Ask<T> {
  /** The segment that is at work, to be named when it fails. */
  readonly segment: () => Segment | null;
  /** Whether silence from now on means that it hangs. */
  readonly isWatched: () => boolean;
  readonly hung: string;
  onMessage(message: FromProcess, answer: { resolve(value: T): void; reject(reason: Error): void }): void;
}

/** How long a process that was asked to end may take. */
const CLOSE_MS = 5000;
/** A first batch compiles shaders: a minute on slow drivers for deep graphs. */
const HANG_MS = 120_000;
/** What is kept of the process's last words. */
const MOST_WORDS = 4096;

/**
 * Runs plans, one after the other, in a process of its own: onnxruntime blocks it and nothing else, a driver's crash ends
 * it and nothing else, and its memory goes back when it ends. Started: waits for its setup. Set up: runs plans. Broken (it
 * ended by itself, or was silent for too long): the plan under way and all later ones fail. Restarted: a new process, and
 * nothing loaded. Closed: ended. What it sent counts, whatever the code it ends with: drivers are known to abort at exit.
 */
export class PlanRunner {
  readonly #budgetBytes: number;
  readonly #entry: URL;
  readonly #hangMs: number;
  /** What the process was started for. */
  #device: Device;
  #child: ChildProcess;
  #setup: ProcessSetup | null = null;
  readonly #prepared = new Map<string, number>();
  #current: Listener = NOBODY;
  #broken: Error | null = null;

  constructor({
    threads,
    entry = new URL("./search-process.js", import.meta.url),
    hangMs = HANG_MS,
    budgetBytes,
    device = "cpu",
  }: PlanRunnerOptions) {
    this.#budgetBytes = budgetBytes;
    this.#entry = entry;
    this.#hangMs = hangMs;
    this.#device = device;
    this.#child = this.#start(threads);
  }

  setUp(setup: ProcessSetup): void {
    if (haveSameEnvironment(setup.device, this.#device)) {
      this.#setup = setup;
      return this.#send({ kind: "setup", setup });
    }
    this.#child.kill("SIGKILL");
    this.#begin(setup);
  }

  /** Tells that the items of a root are prepared up to (without) this place of the search's order. */
  markPrepared(root: string, end: number): void {
    this.#prepared.set(root, end);
    this.#send({ kind: "prepared", root, end });
  }

  /**
   * @throws the signal's reason when it is aborted: what was finished is kept
   * @throws RunFailure when the plan may succeed if it is run otherwise, after `restart`
   */
  async run(plan: Plan, { signal, onStep }: RunPlanOptions = {}): Promise<PlanResult> {
    signal?.throwIfAborted();
    const stop = (): void => this.#send({ kind: "interrupt" });
    signal?.addEventListener("abort", stop, { once: true });
    let done = 0;
    const segment = (): Segment | null => segmentOf(plan.steps[done], plan);
    const scores: FeatureScore[] = [];
    const residentBytes = { peak: 0, last: 0 };
    const ask: Ask<PlanResult> = {
      segment,
      isWatched: () => segment()?.on === "device",
      hung: "the device did not answer for",
      onMessage(message, { resolve, reject }) {
        switch (message.kind) {
          case "step":
            done = message.done;
            residentBytes.last = message.residentBytes;
            residentBytes.peak = Math.max(residentBytes.peak, message.residentBytes);
            return onStep?.(message.done, message.total);
          case "score":
            return void scores.push(message.score);
          case "done":
            return resolve({ scores, peakBytes: message.peakBytes, residentBytes, seconds: message.seconds });
          case "interrupted":
            return reject(signal?.reason instanceof Error ? signal.reason : new Error("interrupted"));
          case "alive":
          case "failed":
          case "measured": // what was asked before, and is waited for no more
            return;
        }
      },
    };
    try {
      return await this.#ask({ kind: "plan", plan }, ask);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** @throws RunFailure when it could not be measured: the process is then to be restarted */
  measure(request: MeasureRequest): Promise<Measured> {
    return this.#ask(
      { kind: "measure", request },
      {
        segment: () => request.segment,
        isWatched: () => true,
        hung: "nothing was measured in",
        onMessage(message, { resolve }) {
          if (message.kind === "measured") resolve(message.measured);
        },
      },
    );
  }

  /** Sends a question, and waits for its answer; a process that has begun and is then silent for too long is killed. */
  async #ask<T>(question: ToProcess, { segment, isWatched, hung, onMessage }: Ask<T>): Promise<T> {
    const failure = (kind: FailureKind, message: string): RunFailure => new RunFailure(kind, message, segment());
    if (this.#broken) throw failure("ended", this.#broken.message);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        const watch = (): void => {
          clearTimeout(timer);
          if (!isWatched()) return;
          timer = setTimeout(() => {
            reject(failure("hung", `${hung} ${this.#hangMs / 1000} s`));
            this.#child.kill("SIGKILL");
          }, this.#hangMs);
        };
        this.#current = {
          onMessage: (message) => {
            onMessage(message, { resolve, reject });
            if (message.kind === "failed") {
              const { device, error } = message;
              reject(device ? failure(device, firstLine(error.message)) : error);
            }
            watch();
          },
          onEnd: (cause) => reject(failure("ended", cause.message)),
        };
        this.#send(question);
      });
    } finally {
      clearTimeout(timer);
      this.#current = NOBODY;
    }
  }

  /**
   * Ends the process and starts another, where nothing is loaded: for one that does not give its memory back, or that is
   * broken. @param changes to its setup
   */
  async restart(changes: Partial<Pick<ProcessSetup, "device" | "threads">> = {}): Promise<void> {
    if (!this.#setup) throw new Error("a runner is restarted before it was set up");
    await this.close();
    this.#begin({ ...this.#setup, ...changes });
  }

  /** Starts a process that has nothing loaded, in place of the one that was. */
  #begin(setup: ProcessSetup): void {
    this.#setup = setup;
    this.#broken = null;
    this.#device = setup.device;
    this.#child = this.#start(setup.threads);
    this.#send({ kind: "setup", setup });
    for (const [root, end] of this.#prepared) this.#send({ kind: "prepared", root, end });
  }

  /**
   * Ends the process when all plans are done, and resolves when it has; on the CPU at once, for nothing is left to be waited
   * for but that its memory goes back.
   */
  async end(): Promise<void> {
    if (this.#setup?.device !== "cpu") return this.close();
    this.#child.removeAllListeners("message");
    this.#child.kill("SIGKILL");
  }

  /** Ends the process, and resolves when it has. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.removeAllListeners("message");
    if (this.#setup) this.#send({ kind: "close" });
    else child.kill("SIGKILL"); // it has nothing to tidy up yet, and may still be starting
    const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }

  #start(threads: number): ChildProcess {
    const child = fork(fileURLToPath(this.#entry), [String(threads)], {
      serialization: "advanced",
      execArgv: [],
      env: { ...mallocSettings(this.#budgetBytes), ...inferenceEnvironment(this.#device) },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let said = "";
    // drivers talk; what they said last is a reason if they fail, and noise else
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-MOST_WORDS);
    });
    const fail = (cause: Error): void => {
      if (child !== this.#child) return;
      this.#broken ??= cause;
      this.#current.onEnd(cause);
    };
    child.on("message", (message) => this.#current.onMessage(message as FromProcess));
    child.on("error", fail);
    // "close" comes when its last words have, too
    child.on("close", (code, signal) => {
      const words = lastLine(said);
      fail(
        new Error(
          `the process of inference ended ${signal ? `by ${signal}` : `with code ${code}`}${words && ` (${words})`}`,
        ),
      );
    });
    return child;
  }

  #send(message: ToProcess): void {
    // a process that has ended is told by its exit
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}

/** The segment that a step loads, runs or reads the result of. */
function segmentOf(step: Step | undefined, { segments, steps }: Plan): Segment | null {
  switch (step?.kind) {
    case "load":
    case "run":
      return segments[step.segment] ?? null;
    case "keep": {
      const made = steps.find((other) => other.kind === "run" && other.to === step.from);
      return made?.kind === "run" ? (segments[made.segment] ?? null) : null;
    }
    default:
      return null;
  }
}

const MOST_TEXT = 300;
const printable = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]/g, " ")
    .trim()
    .slice(0, MOST_TEXT);
const firstLine = (text: string): string => printable(text.trim().split("\n")[0] ?? "");
const lastLine = (text: string): string => printable(text.trim().split("\n").at(-1) ?? "");
