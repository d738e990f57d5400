import { expect, it } from "vitest";
import { parsePolicy, parseRateLimit, toldWaitMs } from "./rate-limit-headers.ts";

const NOW = Date.parse("2026-11-21T10:00:00Z");

it("reads the state and the policy of a bucket", () => {
  const headers = new Headers({
    RateLimit: '"api";r=489;t=271',
    "RateLimit-Policy": '"fixed window";"api";q=500;w=300',
  });
  expect(parseRateLimit(headers)).toEqual({ left: 489, resetMs: 271_000 });
  expect(parsePolicy(headers)).toEqual({ quota: 500, windowSeconds: 300 });
});

it.each(["", "garbage", '"api";r=;t=', '"api";r=-1;t=5', '"api";xr=1;xt=5', '"api";r=99999999999;t=1'])(
  "takes %j for no state",
  (text) => expect(parseRateLimit(new Headers({ RateLimit: text }))).toBeNull(),
);

it.each([
  ["the reset of a limit", 429, { RateLimit: '"api";r=0;t=42', "Retry-After": "7" }, 42_000],
  ["seconds", 429, { "Retry-After": "7" }, 7000],
  ["a date", 503, { "Retry-After": "Sat, 21 Nov 2026 10:01:00 GMT" }, 60_000],
  ["a date that is past", 503, { "Retry-After": "Sat, 21 Nov 2026 09:00:00 GMT" }, 0],
  ["nothing: the limit of a broken server is no reason to wait", 500, { RateLimit: '"api";r=3;t=271' }, null],
  ["nothing readable", 503, { "Retry-After": "soon" }, null],
] as const)("waits as told: %s", (_name, status, headers, expected) => {
  expect(toldWaitMs(status, new Headers(headers), NOW)).toBe(expected);
});
