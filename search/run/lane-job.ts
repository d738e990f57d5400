import type { ProxyModels } from "../proxy/encode-proxy-graphs.ts";
import type { LayoutJob } from "./lay-out-weights.ts";
import type { LayoutProbe } from "./layout-probe.ts";
import type { FeatureScore } from "./runner.ts";
import type { ScoreJob, ScoreSetup } from "./score-features.ts";

/** A tensor whose buffer moves between threads, or is shared by them; the buffer may be longer. */
export interface TensorData<Buffer extends ArrayBufferLike = ArrayBufferLike> {
  readonly type: "float32" | "uint8" | "int64";
  readonly dims: readonly number[];
  buffer: Buffer;
}

/** Whether a tensor's buffer moves. */
export const isMoving = (tensor: TensorData): tensor is TensorData<ArrayBuffer> => tensor.buffer instanceof ArrayBuffer;

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
export interface LaneBatch<Buffer extends ArrayBufferLike = ArrayBufferLike> {
  readonly feeds: Readonly<Record<string, TensorData<Buffer>>>;
  readonly into: TensorData<Buffer>;
}

/** All tensors of some batches: of each its feeds, in their order, and its result. */
export const tensorsOf = (batches: readonly LaneBatch[]): TensorData[] =>
  batches.flatMap(({ feeds, into }) => [...Object.values(feeds), into]);

/** What a lane can be asked to do. */
export type LaneJob =
  /** Comes before the first score. */
  | { readonly kind: "setUp"; readonly setup: ScoreSetup; readonly models: ProxyModels }
  /** @see probeBlockedLayout */
  | { readonly kind: "probe"; readonly probe: LayoutProbe }
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
  /** Writes the weights of a block as this machine's convolutions read them. */
  | { readonly kind: "layOut"; readonly block: LayoutJob }
  | { readonly kind: "score"; readonly jobs: readonly ScoreJob[] };

export type LaneAnswer =
  | { readonly kind: "setUp" }
  | { readonly kind: "probe"; readonly channels: number | null }
  /** Brings the buffers back that moved, in the order of `tensorsOf`. */
  | { readonly kind: "run"; readonly buffers: readonly ArrayBuffer[] }
  | { readonly kind: "close" }
  | { readonly kind: "optimize" }
  | { readonly kind: "layOut" }
  | { readonly kind: "score"; readonly scores: readonly FeatureScore[] };
