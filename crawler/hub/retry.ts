/** How often and how long to wait before a request is sent again. Pure but for the random jitter. */
export interface RetryPolicy {
  /** Tries in all, the first one included. */
  readonly tries: number;
  /** Wait before the second try; doubles from then on, with a jitter of half of it. */
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
}

/** Bridges outages of half a minute; a hub that is down longer is told to the user. */
export const DEFAULT_RETRY: RetryPolicy = { tries: 6, firstWaitMs: 500, maxWaitMs: 15_000 };

export const isRetryableStatus = (status: number): boolean => status === 408 || status === 429 || status >= 500;

export function backoffMs(attempt: number, policy: RetryPolicy, random: () => number): number {
  const wait = Math.min(policy.maxWaitMs, policy.firstWaitMs * 2 ** attempt);
  return wait * (0.5 + random() / 2);
}
