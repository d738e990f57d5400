/**
 * The hub's limits in its answers (huggingface.co/docs/hub/rate-limits, after the IETF's draft):
 * `RateLimit: "api";r=489;t=271` (requests left, seconds to the reset) and
 * `RateLimit-Policy: "fixed window";"api";q=500;w=300` (requests, seconds).
 */
export interface RateLimitState {
  readonly left: number;
  readonly resetMs: number;
}

export interface RateLimitPolicy {
  readonly quota: number;
  readonly windowSeconds: number;
}

/** @returns null where the answer does not say */
export function parseRateLimit(headers: Headers): RateLimitState | null {
  const text = headers.get("ratelimit") ?? "";
  const left = numberOf(text, "r");
  const seconds = numberOf(text, "t");
  return left === null || seconds === null ? null : { left, resetMs: seconds * 1000 };
}

/** @returns null where the answer does not say */
export function parsePolicy(headers: Headers): RateLimitPolicy | null {
  const text = headers.get("ratelimit-policy") ?? "";
  const quota = numberOf(text, "q");
  const windowSeconds = numberOf(text, "w");
  return quota === null || windowSeconds === null ? null : { quota, windowSeconds };
}

/**
 * How long to wait after a refusal: for a limit (429) to its reset, and else as `Retry-After` says, in seconds or as a
 * date. Every answer carries the state of its limit, so that says nothing of a server in trouble.
 * @returns milliseconds, or null where the answer does not say
 */
export function toldWaitMs(status: number, headers: Headers, now: number): number | null {
  const reset = status === 429 ? parseRateLimit(headers)?.resetMs : undefined;
  if (reset !== undefined) return reset;
  const told = headers.get("retry-after");
  if (told === null) return null;
  if (/^\d{1,9}$/.test(told)) return Number(told) * 1000;
  const date = Date.parse(told);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

function numberOf(text: string, name: string): number | null {
  const [, digits] = new RegExp(`(?:^|[;,\\s])${name}=(\\d{1,9})(?:$|[;,\\s])`).exec(text) ?? [];
  return digits === undefined ? null : Number(digits);
}
