import { join } from "node:path";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import type { Plan } from "../plan/step.ts";
import type { MeasureRequest } from "../tune/measured.ts";
import { execute } from "./execute.ts";
import { openFeatureStore, type FeatureStore } from "./feature-store.ts";
import type { Lanes } from "./lanes.ts";
import type { MeasureMachineOptions } from "./measure-machine.ts";
import { openRunner } from "./open-runner.ts";
import { PreparedItems } from "./prepared-items.ts";
import type { FromProcess, ProcessSetup, ToProcess } from "./process-message.ts";
import { rangeKeyOf } from "./range-key.ts";
import { ResidentMemory } from "./resident-memory.ts";
import { DeviceError } from "./run-failure.ts";
import { InterruptedError, type Runner } from "./runner.ts";

/** How often steps of the CPU are told. */
const TELL_MS = 100;

/** Serves all plans of a search: a plan may leave segments loaded for the next one. */
class Process {
  readonly prepared = new PreparedItems();
  readonly #features: FeatureStore;
  readonly #runner: Promise<Runner>;
  readonly #machine: MeasureMachineOptions;
  readonly #memory = new ResidentMemory();
  readonly #isOnCpu: boolean;
  #toldAt = -Infinity;
  #isInterrupted = false;

  constructor(setup: ProcessSetup, lanes: Lanes) {
    const { home, itemHashes, precision } = setup;
    const spillFolder = join(home, "cache", "spill");
    const store = openBlockStore(home);
    this.#features = openFeatureStore(home, rangeKeyOf(itemHashes), precision);
    const { proxy, classes, labels, device } = setup;
    this.#isOnCpu = device === "cpu";
    lanes.setUp({ home, proxy, classes, labels, itemHashes, precision });
    this.#machine = { ...setup, lanes, store, spillFolder };
    this.#runner = openRunner({
      ...setup,
      store,
      features: this.#features,
      lanes,
      spillFolder,
      isInterrupted: () => this.#isInterrupted,
      whenPrepared: (root: string, end: number) => this.prepared.wait(root, end),
      ...(device !== "cpu" && { onBatch: () => post({ kind: "alive" }) }),
    });
  }

  interrupt(): void {
    this.#isInterrupted = true;
    this.prepared.interrupt();
  }

  async measure(request: MeasureRequest): Promise<void> {
    post({ kind: "alive" });
    try {
      const { measureMachine } = await import("./measure-machine.ts");
      post({ kind: "measured", measured: await measureMachine(request, this.#machine) });
    } catch (cause) {
      post({ kind: "failed", error: cause instanceof Error ? cause : new Error(String(cause)), device: "error" });
    }
  }

  async perform(plan: Plan): Promise<void> {
    const runner = await this.#runner;
    const before = { ...runner.seconds };
    post({ kind: "alive" });
    try {
      await execute(plan, runner, {
        isInterrupted: () => this.#isInterrupted,
        onStep: (done, total) => this.#tellStep(done, total),
        onScore: (score) => post({ kind: "score", score }),
      });
      const { data, load, inference, proxy } = runner.seconds;
      const seconds = {
        data: data - before.data,
        load: load - before.load,
        inference: inference - before.inference,
        proxy: proxy - before.proxy,
      };
      post({ kind: "done", peakBytes: runner.account.peak, seconds });
    } catch (cause) {
      if (cause instanceof DeviceError) {
        // told before anything is freed: a device that failed may take the process with it
        return post({ kind: "failed", error: cause, device: cause.isUnsupported ? "unsupported" : "error" });
      }
      await runner.close();
      if (cause instanceof InterruptedError) return post({ kind: "interrupted" });
      post({ kind: "failed", error: cause instanceof Error ? cause : new Error(String(cause)), device: null });
    }
  }

  /** Each message wakes two processes, and a step of the CPU may take a millisecond; one of a device is told if it fails. */
  #tellStep(done: number, total: number): void {
    const now = performance.now();
    if (this.#isOnCpu && done < total && now - this.#toldAt < TELL_MS) return;
    this.#toldAt = now;
    post({ kind: "step", done, total, residentBytes: this.#memory.read() });
  }

  /** Ends the process; its memory goes back as a whole. */
  async close(): Promise<void> {
    await this.#features.close();
    // nothing is left to be written: the system is faster than sessions that free their memory one after the other
    if (this.#isOnCpu) process.kill(process.pid, "SIGKILL");
    else process.exit(0); // drivers have things to tidy up
  }
}

const post = (message: FromProcess): void => void process.send?.(message);

/** Does what the process that started this one asks for. @param lanes that were started for it */
export function servePlans(lanes: Lanes): void {
  let current: Process | null = null;
  process.on("message", (message: ToProcess) => {
    switch (message.kind) {
      case "setup":
        current = new Process(message.setup, lanes);
        return;
      case "prepared":
        return current?.prepared.mark(message.root, message.end);
      case "plan":
        return void current?.perform(message.plan);
      case "measure":
        return void current?.measure(message.request);
      case "interrupt":
        return current?.interrupt();
      case "close":
        return void (current ? current.close() : process.exit(0));
    }
  });
  // signals go to the whole group; the process that started this one decides what comes of them
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  process.on("disconnect", () => process.exit(1));
}
