import type { Clock } from "./clock.ts";
import { HubLimitError } from "./hub-error.ts";
import { parsePolicy, parseRateLimit } from "./rate-limit-headers.ts";

/** What the hub counts apart: questions to its API, and requests for files. */
export type BucketName = "api" | "resolvers";

/** Resets are told in whole seconds, and answers take a while: two of one window may differ by so much. */
const SLACK_MS = 2000;

interface Bucket {
  /** Requests that may still be sent before `resetsAt`; Infinity where the hub has not said. */
  left: number;
  resetsAt: number;
  /** Requests in a window, as `RateLimit-Policy` says: more with a token. */
  quota: number | null;
  windowSeconds: number | null;
  announced: number;
}

/**
 * The hub's limits as its answers tell them, each bucket apart. A request that a bucket has no room for is held back
 * until the reset instead of being sent and refused.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #maxWaitMs: number;
  readonly #onWait: (message: string) => void;
  readonly #buckets = new Map<BucketName, Bucket>();

  constructor(options: {
    readonly clock: Clock;
    /** A longer wait is an error: the command is better run again later. */
    readonly maxWaitMs: number;
    readonly onWait: (message: string) => void;
  }) {
    this.#clock = options.clock;
    this.#maxWaitMs = options.maxWaitMs;
    this.#onWait = options.onWait;
  }

  /**
   * Waits until the bucket has room, and takes a place in it.
   * @throws HubLimitError when the reset is further away than the longest wait
   */
  async take(name: BucketName, signal?: AbortSignal | null): Promise<void> {
    const bucket = this.#bucket(name);
    for (;;) {
      const waitMs = bucket.resetsAt - this.#clock.now();
      if (waitMs <= 0) this.#open(bucket);
      if (bucket.left > 0) {
        bucket.left--;
        return;
      }
      if (waitMs > this.#maxWaitMs) throw this.error(name);
      if (bucket.announced !== bucket.resetsAt) {
        bucket.announced = bucket.resetsAt;
        this.#onWait(`${this.#describe(name)}; waiting ${Math.ceil(waitMs / 1000)} s`);
      }
      await this.#clock.sleep(waitMs, signal);
    }
  }

  /** Takes in what an answer says of its bucket. */
  learn(name: BucketName, headers: Headers): void {
    const bucket = this.#bucket(name);
    const policy = parsePolicy(headers);
    if (policy) {
      bucket.quota = policy.quota;
      bucket.windowSeconds = policy.windowSeconds;
    }
    const state = parseRateLimit(headers);
    if (!state) return;
    const now = this.#clock.now();
    const isSameWindow = now < bucket.resetsAt && now + state.resetMs < bucket.resetsAt + SLACK_MS;
    // answers come out of order, and requests under way are counted here before the hub has seen them
    bucket.left = isSameWindow ? Math.min(bucket.left, state.left) : state.left;
    bucket.resetsAt = now + state.resetMs;
  }

  /** The hub has refused a request: nothing more goes into the bucket until it says. */
  close(name: BucketName, waitMs: number): void {
    const bucket = this.#bucket(name);
    bucket.left = 0;
    bucket.resetsAt = this.#clock.now() + waitMs;
  }

  error(name: BucketName): HubLimitError {
    const { resetsAt } = this.#bucket(name);
    return new HubLimitError(this.#describe(name), name, new Date(resetsAt));
  }

  /** A new window: all of the quota, where it is known. */
  #open(bucket: Bucket): void {
    bucket.left = bucket.quota ?? Infinity;
    if (bucket.windowSeconds !== null) bucket.resetsAt = this.#clock.now() + bucket.windowSeconds * 1000;
  }

  #describe(name: BucketName): string {
    const { quota, windowSeconds, resetsAt } = this.#bucket(name);
    const size = quota === null || windowSeconds === null ? "" : ` of ${quota} requests in ${windowSeconds} s`;
    return `the hub's limit "${name}"${size} is reached; it resets at ${new Date(resetsAt).toISOString()}`;
  }

  #bucket(name: BucketName): Bucket {
    let bucket = this.#buckets.get(name);
    if (!bucket) {
      bucket = { left: Infinity, resetsAt: 0, quota: null, windowSeconds: null, announced: 0 };
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }
}
