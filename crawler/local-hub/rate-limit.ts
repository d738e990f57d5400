/** Requests that a caller may make in one window. With a token it may make more. */
export interface RateLimits {
  /** Requests to `/api/…`. Default 1,000,000, so that a local hub limits nobody unless it is told to. */
  readonly api?: number;
  /** Requests to `/…/resolve/…`. Default 1,000,000. */
  readonly resolver?: number;
  /** The same for callers with a token. Default: twice as many, as on the Hub. */
  readonly apiWithToken?: number;
  readonly resolverWithToken?: number;
  /** Seconds. Default 300, as on the Hub. */
  readonly windowSeconds?: number;
}

export type RateLimitedKind = "api" | "resolver";

export interface RateLimitState {
  readonly isExceeded: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** The name of a bucket in the headers. */
const BUCKET = { api: "api", resolver: "resolvers" } as const;

/** Counts requests in fixed windows, for each kind of request and caller apart. */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  readonly #windows = new Map<string, { endsAtMs: number; used: number }>();

  constructor(limits: RateLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Counts a request and says how the caller stands after it. A request over the limit is not counted, and one of cost 0
   * is never over it.
   */
  count(kind: RateLimitedKind, caller: string, hasToken: boolean, cost: 0 | 1 = 1): RateLimitState {
    const windowSeconds = this.#limits.windowSeconds ?? 300;
    const quota = this.#quota(kind, hasToken);
    const window = this.#window(`${kind} ${caller}`, windowSeconds);
    const isExceeded = window.used + cost > quota;
    if (!isExceeded) window.used += cost;
    const seconds = Math.max(1, Math.ceil((window.endsAtMs - this.#now()) / 1000));
    return {
      isExceeded,
      headers: {
        RateLimit: `"${BUCKET[kind]}";r=${quota - window.used};t=${seconds}`,
        "RateLimit-Policy": `"fixed window";"${BUCKET[kind]}";q=${quota};w=${windowSeconds}`,
        ...(isExceeded && { "Retry-After": String(seconds) }),
      },
    };
  }

  #quota(kind: RateLimitedKind, hasToken: boolean): number {
    const { api = 1_000_000, resolver = 1_000_000, apiWithToken, resolverWithToken } = this.#limits;
    if (kind === "api") return hasToken ? (apiWithToken ?? 2 * api) : api;
    return hasToken ? (resolverWithToken ?? 2 * resolver) : resolver;
  }

  #window(key: string, seconds: number): { endsAtMs: number; used: number } {
    const now = this.#now();
    const known = this.#windows.get(key);
    if (known !== undefined && now < known.endsAtMs) return known;
    for (const [other, { endsAtMs }] of this.#windows) if (endsAtMs <= now) this.#windows.delete(other);
    const fresh = { endsAtMs: now + seconds * 1000, used: 0 };
    this.#windows.set(key, fresh);
    return fresh;
  }
}
