import type { Fallback } from "./fall-back.ts";
import type { FailedModel } from "./load-candidates.ts";
import type { RankedModel } from "./rank.ts";
import type { RunSeconds } from "./run/runner.ts";
import type { Tuned } from "./tune/tune-search.ts";

export type SearchEvent =
  | { readonly kind: "prepare"; readonly done: number; readonly total: number }
  | { readonly kind: "round"; readonly round: number; readonly rounds: number; readonly models: number }
  | { readonly kind: "step"; readonly done: number; readonly total: number }
  | { readonly kind: "fallback"; readonly fallback: Fallback }
  | { readonly kind: "tuned"; readonly tuned: Tuned };

export interface SearchCost {
  /** Items through blocks of backbones: what ran, and what scoring every model on everything would run. */
  readonly blockItems: number;
  readonly baseBlockItems: number;
  readonly bytesLoaded: number;
  readonly peakBytes: number;
  readonly budget: number;
  /** The same of the device's memory; 0 on the CPU. */
  readonly devicePeakBytes: number;
  readonly deviceBudget: number;
  /** The most memory that the process of inference took, after any step: what `peakBytes` counts, and all else. */
  readonly residentBytes: number;
  /** Features of a range that were read instead of computed. */
  readonly cacheHits: number;
}

export interface SearchResult {
  readonly rounds: readonly {
    readonly round: number;
    readonly models: number;
    readonly items: number;
    readonly seconds: number;
  }[];
  readonly ranking: readonly RankedModel[];
  readonly failed: readonly FailedModel[];
  readonly tuned: Tuned;
  /** Steps that were repeated because the device, or the process of inference, failed. */
  readonly fallbacks: readonly Fallback[];
  readonly items: { readonly train: number; readonly test: number };
  readonly cost: SearchCost;
  readonly seconds: RunSeconds & { readonly total: number; readonly plan: number };
}

/** What came out before the user interrupted. */
export class SearchInterrupted extends Error {
  override name = "SearchInterrupted";
  readonly result: SearchResult;
  constructor(result: SearchResult) {
    super("the search was interrupted");
    this.result = result;
  }
}
