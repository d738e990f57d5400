import type { Speeds } from "../plan/speeds.ts";
import type { Segment } from "../plan/step.ts";
import type { Tuning, TuningRate } from "./tuning.ts";

/** What a search asks about the machine. */
export interface MeasureRequest {
  /** The heaviest segment, which takes the items themselves. */
  readonly segment: Segment;
  /** What to send made-up items through it by; the default first. */
  readonly candidates: readonly Tuning[];
  /** What goes through it together while the other segment is loaded. */
  readonly batchSize: number;
  /** The segment to load, beside runs of the heaviest; null on the CPU, and where there is no room or no time for that. */
  readonly loaded: Segment | null;
  /** No more items than these go through the heaviest segment while the other is loaded. */
  readonly itemsBeside: number;
  /** Of each measurement: none goes on when so many seconds have gone, but for what it has begun. */
  readonly mostSeconds: number;
}

/** How weights come into memory. */
export interface Loading {
  /** Of the segment that was loaded. */
  readonly seconds: number;
  /** How much of that takes no time when another segment runs meanwhile: 0 nothing, or nothing that is certain; 1 all. */
  readonly hidden: number;
}

/** What was measured on a machine's device with models of one structure. */
export interface Measured {
  /** The default's first. */
  readonly rates: readonly TuningRate[];
  /** What is faster than the default beyond noise. */
  readonly faster: Tuning | null;
  /** Null where the search cannot use it, or it was not measured. */
  readonly speeds: Readonly<Record<keyof Speeds, number | null>>;
  readonly loading: Loading | null;
}
