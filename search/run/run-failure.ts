import type { Segment } from "../plan/step.ts";

/**
 * What went wrong: the process of inference ended or was silent for too long; the device, or onnxruntime on it, said that
 * it could not; or the device has no implementation of an operator.
 */
export type FailureKind = "ended" | "hung" | "error" | "unsupported";

/** A plan that was not finished though nothing is wrong with it; run otherwise, it may be. */
export class RunFailure extends Error {
  override name = "RunFailure";
  readonly kind: FailureKind;
  /** The segment that was being loaded or run; null when it was none. */
  readonly segment: Segment | null;

  constructor(kind: FailureKind, message: string, segment: Segment | null) {
    super(message);
    this.kind = kind;
    this.segment = segment;
  }
}

/** Thrown by a runner when what failed is the device, or onnxruntime on it. */
export class DeviceError extends Error {
  override name = "DeviceError";
  /** Whether the device lacks an operator: then no smaller chunk helps. */
  readonly isUnsupported: boolean;

  constructor(cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    super(text, { cause });
    this.isUnsupported = NO_KERNEL.test(text);
  }
}

/** What onnxruntime says when a graph has operators that only the CPU has, and `disable_cpu_ep_fallback` is set. */
const NO_KERNEL = /fallback to CPU EP has been explicitly disabled|Failed to find kernel|NOT_IMPLEMENTED/;
