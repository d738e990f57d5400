import { expect, it } from "vitest";
import { RateLimiter } from "./rate-limit.ts";

it("counts each kind and caller apart, and starts anew with the next window", () => {
  let now = 1_000_000;
  const limiter = new RateLimiter({ api: 2, resolver: 1, windowSeconds: 60 }, () => now);
  expect(limiter.count("api", "a", false).headers).toEqual({
    RateLimit: '"api";r=1;t=60',
    "RateLimit-Policy": '"fixed window";"api";q=2;w=60',
  });
  expect(limiter.count("api", "a", false).isExceeded).toBe(false);
  now += 20_500;
  expect(limiter.count("api", "a", false)).toMatchObject({
    isExceeded: true,
    headers: { RateLimit: '"api";r=0;t=40', "Retry-After": "40" },
  });
  expect(limiter.count("api", "b", false).isExceeded).toBe(false);
  expect(limiter.count("resolver", "a", false).headers["RateLimit"]).toBe('"resolvers";r=0;t=60');
  now += 39_500;
  expect(limiter.count("api", "a", false)).toMatchObject({ isExceeded: false });
});

it("allows more with a token, and never refuses what costs nothing", () => {
  const limiter = new RateLimiter({ api: 1, resolver: 1 }, () => 0);
  const tries = Array.from({ length: 3 }, () => limiter.count("api", "token", true).isExceeded);
  expect(tries).toEqual([false, false, true]);
  expect(limiter.count("api", "token", true, 0).isExceeded).toBe(false);
});
