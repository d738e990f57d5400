import { LaneRunner, type LaneRunnerOptions } from "./lane-runner.ts";
import { OrtRunner, type OrtRunnerOptions } from "./ort-runner.ts";
import type { Runner } from "./runner.ts";

/** The runner for a device: the CPU's cores each run batches of their own, a device is given one at a time. */
export const openRunner = (options: LaneRunnerOptions & OrtRunnerOptions): Runner =>
  options.device === "cpu" ? new LaneRunner(options) : new OrtRunner(options);
