import { readFile } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { makeHubFolder, modelFiles, type HubFolderFixture } from "../../test/hub/make-hub-folder.ts";
import { startLocalHub, type FaultRule, type LocalHub, type RateLimits } from "../local-hub/start-local-hub.ts";
import { packageFile } from "../package-file.ts";
import { userAgent } from "../user-agent.ts";
import type { Clock } from "./clock.ts";
import { createHubClient, type HubClientOptions } from "./hub-client.ts";
import { HubLimitError, HubTokenError } from "./hub-error.ts";

const MODEL = "acme/tiny";
let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

/** A clock that waits by moving on. */
function fakeClock(): Clock & { readonly waits: number[] } {
  let time = Date.parse("2026-11-21T10:00:00Z");
  const waits: number[] = [];
  return {
    waits,
    now: () => time,
    sleep: (ms) => {
      waits.push(ms);
      time += ms;
      return Promise.resolve();
    },
  };
}

async function setUp(
  options: { rateLimits?: RateLimits; faults?: FaultRule[]; token?: string; client?: HubClientOptions } = {},
) {
  const folder: HubFolderFixture = await makeHubFolder(
    { [MODEL]: modelFiles(1, "license: mit") },
    { tokens: { hf_known: { name: "known" } } },
  );
  closing.push(async () => folder[Symbol.asyncDispose]());
  const clock = fakeClock();
  const hub: LocalHub = await startLocalHub({
    root: folder.root,
    now: () => clock.now(),
    ...(options.rateLimits && { rateLimits: options.rateLimits }),
    ...(options.faults && { faults: options.faults }),
  });
  closing.push(() => hub.close());
  const said: string[] = [];
  const client = createHubClient(
    { url: hub.url, token: options.token ?? null },
    { clock, random: () => 1, onWait: (message) => said.push(message), ...options.client },
  );
  closing.push(() => client.close());
  const ask = async (path: string) => {
    const { response } = await client.request(`${hub.url}${path}`);
    await response.arrayBuffer();
    return response.status;
  };
  return { hub, clock, client, said, ask };
}

const API = "/api/models?limit=1";
const FILE = `/${MODEL}/resolve/main/onnx/notes.txt`;

describe("limits", () => {
  it("waits for the reset instead of being refused, and says so once", async () => {
    const { hub, clock, said, ask } = await setUp({ rateLimits: { api: 3, windowSeconds: 120 } });
    for (let i = 0; i < 7; i++) await ask(API);
    expect(hub.requests.map(({ status }) => status)).toEqual(Array(7).fill(200));
    expect(clock.waits).toEqual([120_000, 120_000]);
    expect(said).toEqual([
      'the hub\'s limit "api" of 3 requests in 120 s is reached; it resets at 2026-11-21T10:02:00.000Z; waiting 120 s',
      'the hub\'s limit "api" of 3 requests in 120 s is reached; it resets at 2026-11-21T10:04:00.000Z; waiting 120 s',
    ]);
  });

  it("counts the API and files apart", async () => {
    const { clock, ask } = await setUp({ rateLimits: { api: 1, resolver: 3, windowSeconds: 60 } });
    await ask(API);
    for (let i = 0; i < 3; i++) await ask(FILE);
    expect(clock.waits).toEqual([]);
    await ask(FILE);
    expect(clock.waits).toEqual([60_000]);
  });

  it("uses the higher limits of a token", async () => {
    const limits = { api: 2, apiWithToken: 5, windowSeconds: 60 };
    const anonymous = await setUp({ rateLimits: limits });
    const known = await setUp({ rateLimits: limits, token: "hf_known" });
    for (let i = 0; i < 5; i++) {
      await anonymous.ask(API);
      await known.ask(API);
    }
    expect(anonymous.clock.waits).toEqual([60_000, 60_000]);
    expect(known.clock.waits).toEqual([]);
  });

  it("waits after a 429 exactly as told, whoever used the limit up", async () => {
    const refusal = { kind: "status", status: 429, headers: { RateLimit: '"api";r=0;t=42' } } as const;
    const { hub, clock, ask } = await setUp({ faults: [{ match: { kind: "api" }, times: 1, fault: refusal }] });
    expect(await ask(API)).toBe(200);
    expect(clock.waits).toEqual([42_000]);
    expect(hub.requests.map(({ status }) => status)).toEqual([429, 200]);
  });

  it("names the bucket and the reset when that is too far away", async () => {
    const refusal = { kind: "status", status: 429, headers: { RateLimit: '"resolvers";r=0;t=86400' } } as const;
    const { ask } = await setUp({ faults: [{ match: { kind: "resolver" }, fault: refusal }] });
    const error = await ask(FILE).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(HubLimitError);
    expect(error).toMatchObject({ bucket: "resolvers", resetsAt: new Date("2026-11-22T10:00:00Z") });
    expect(String(error)).toContain('limit "resolvers" is reached; it resets at 2026-11-22T10:00:00.000Z');
    await expect(ask(API)).resolves.toBe(200);
  });

  it("gives up on a hub that refuses again and again", async () => {
    const refusal = { kind: "status", status: 429, headers: { "Retry-After": "1" } } as const;
    const { hub, ask } = await setUp({ faults: [{ match: { kind: "api" }, fault: refusal }] });
    await expect(ask(API)).rejects.toThrow(HubLimitError);
    expect(hub.requests).toHaveLength(6);
  });
});

describe("trouble", () => {
  it("tries again after a broken answer, and no wait follows from a limit that is not reached", async () => {
    const broken = { kind: "status", status: 500, headers: { RateLimit: '"api";r=9;t=300' } } as const;
    const { clock, ask } = await setUp({ faults: [{ match: { kind: "api" }, times: 2, fault: broken }] });
    expect(await ask(API)).toBe(200);
    expect(clock.waits).toEqual([500, 1000]);
  });

  it("says that the token is not accepted, and which it is not", async () => {
    const { ask } = await setUp({ token: "hf_forgotten" });
    const error = await ask(API).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(HubTokenError);
    expect(String(error)).not.toContain("hf_forgotten");
  });

  it("takes a missing repository for no wrong token", async () => {
    const { ask } = await setUp();
    await expect(ask("/api/models/no/such")).rejects.toMatchObject({ status: 401, isRepositoryMissing: true });
  });
});

it("names itself with the package's own name and version", async () => {
  const { name, version } = JSON.parse(await readFile(packageFile("package.json"), "utf8")) as Record<string, string>;
  expect(userAgent()).toBe(`${name}/${version}; node/${process.versions.node}`);
});
