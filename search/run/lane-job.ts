import type { LayoutJob } from "./lay-out-weights.ts";
import type { FeatureScore } from "./runner.ts";
import type { ScoreJob, ScoreSetup } from "./score-features.ts";

/** A tensor whose buffer moves between threads; the buffer may be longer. */
export interface TensorData {
  readonly type: "float32" | "uint8" | "int64";
  readonly dims: readonly number[];
  buffer: ArrayBuffer;
}

/** What a session is opened from. */
export interface SessionSource {
  /** The ONNX file's bytes. */
  readonly model: Uint8Array;
  /** Where the files of weights lie that it refers to. */
  readonly folder: string;
  /** Whether onnxruntime has optimised it already. */
  readonly isOptimized: boolean;
  /** Files and folders of the caches that it rests on: what doesn't open is removed, and made again by the next search. */
  readonly laidOut: readonly string[];
}

/** A batch's values, and where its result goes. */
export interface LaneBatch {
  readonly feeds: Readonly<Record<string, TensorData>>;
  readonly into: TensorData;
}

/** What a lane can be asked to do. */
export type LaneJob =
  /** Comes first. */
  | { readonly kind: "setUp"; readonly setup: ScoreSetup }
  /** @see probeBlockedLayout */
  | { readonly kind: "probe" }
  /** Runs batches through a session, all together. */
  | {
      readonly kind: "run";
      readonly session: string;
      /** What it is opened from, the first time. */
      readonly source?: SessionSource;
      readonly batches: readonly LaneBatch[];
    }
  | { readonly kind: "close"; readonly session: string }
  /** Writes what onnxruntime makes of a graph and its weights into a folder. */
  | { readonly kind: "optimize"; readonly source: SessionSource; readonly to: string }
  /** Writes the weights of blocks as this machine's convolutions read them. */
  | { readonly kind: "layOut"; readonly blocks: readonly LayoutJob[] }
  | { readonly kind: "score"; readonly job: ScoreJob };

export type LaneAnswer =
  | { readonly kind: "setUp" }
  | { readonly kind: "probe"; readonly channels: number | null }
  /** Brings the buffers of each batch back: of its feeds, in their order, and of its result. */
  | { readonly kind: "run"; readonly buffers: readonly ArrayBuffer[] }
  | { readonly kind: "close" }
  | { readonly kind: "optimize" }
  | { readonly kind: "layOut" }
  | { readonly kind: "score"; readonly score: FeatureScore };
