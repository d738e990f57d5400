import type { Device } from "../device/device.ts";
import type { MemoryBytes, Plan } from "../plan/step.ts";
import type { Measured, MeasureRequest } from "../tune/measured.ts";
import type { RootInputs } from "./root-inputs.ts";
import type { FeatureScore, RunSeconds } from "./runner.ts";
import type { ScoreSetup } from "./score-features.ts";

/** What a process of inference is made with. */
export interface ProcessSetup extends ScoreSetup {
  readonly roots: ReadonlyMap<string, RootInputs>;
  /** Of all items of the search, in the search's order: rows in the prepared inputs. */
  readonly rows: Int32Array;
  readonly threads: number;
  /** What segments that are not for the CPU run on. */
  readonly device: Device;
  readonly budgetBytes: number;
  /** What graphs and weights laid out for this machine may take on disk. */
  readonly cacheBytes?: number | undefined;
}

export type ToProcess =
  | { readonly kind: "setup"; readonly setup: ProcessSetup }
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "measure"; readonly request: MeasureRequest }
  /** Items of a root are prepared up to (without) this place. */
  | { readonly kind: "prepared"; readonly root: string; readonly end: number }
  | { readonly kind: "interrupt" }
  | { readonly kind: "close" };

export type FromProcess =
  | { readonly kind: "step"; readonly done: number; readonly total: number; readonly residentBytes: number }
  /** A plan or a measurement was begun, or a batch went through a graph. */
  | { readonly kind: "alive" }
  | { readonly kind: "score"; readonly score: FeatureScore }
  | { readonly kind: "done"; readonly peakBytes: MemoryBytes; readonly seconds: RunSeconds }
  | { readonly kind: "measured"; readonly measured: Measured }
  | { readonly kind: "interrupted" }
  /** @see DeviceError */
  | { readonly kind: "failed"; readonly error: Error; readonly device: "error" | "unsupported" | null };
