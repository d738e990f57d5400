import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { makeHubFolder, modelFiles } from "../../test/hub/make-hub-folder.ts";
import { startLocalHub, type FaultRule } from "../local-hub/start-local-hub.ts";
import { createHubClient } from "./hub-client.ts";
import { openHubRepository } from "./hub-repository.ts";
import { MAX_BREAKS } from "./read-through-breaks.ts";

const MODEL = "acme/tiny";
const FILE = "weights.bin";
const WEIGHTS = randomBytes(50_000);
/** A hundred bytes a second, or somewhat fewer. */
const TRICKLE = { kind: "trickle", bytes: 1, pauseMs: 10 } as const;
const retry = { tries: 2, firstWaitMs: 1, maxWaitMs: 1 };

let closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

async function setUp(faults: FaultRule[]) {
  const folder = await makeHubFolder({ [MODEL]: { ...modelFiles(1, "license: mit"), [FILE]: WEIGHTS } });
  closing.push(async () => folder[Symbol.asyncDispose]());
  const hub = await startLocalHub({ root: folder.root, faults });
  closing.push(() => hub.close());
  const client = createHubClient({ url: hub.url, token: null }, { retry, stallMs: 400 });
  closing.push(() => client.close());
  const repository = openHubRepository(client, MODEL, "main");
  const read = async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of repository.readRange(FILE, 0, WEIGHTS.length)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  return { hub, repository, read };
}

describe("a body that comes byte by byte and never stops for long", () => {
  it("is broken off, and the rest asked for elsewhere", async () => {
    const { hub, read } = await setUp([{ match: { kind: "cdn" }, times: 1, fault: TRICKLE }]);
    expect((await read()).equals(WEIGHTS)).toBe(true);
    const ranges = hub.requests.filter(({ kind }) => kind === "cdn").map(({ range }) => range);
    expect(ranges).toHaveLength(2);
    const begin = Number(/^bytes=(\d+)-/.exec(ranges[1] ?? "")?.[1]);
    expect(begin).toBeGreaterThan(0);
    expect(begin).toBeLessThan(WEIGHTS.length / 10);
  });

  it("is given up when it is as slow each time", async () => {
    const { hub, read } = await setUp([{ match: { kind: "cdn" }, fault: TRICKLE }]);
    await expect(read()).rejects.toThrow(/breaks off at byte \d+ of 50000/);
    expect(hub.requests.filter(({ kind }) => kind === "cdn")).toHaveLength(MAX_BREAKS + 1);
  });

  it("is asked for anew where it is a small file or JSON", async () => {
    const { hub, repository } = await setUp([
      { match: { kind: "resolve-cache" }, times: 1, fault: TRICKLE },
      { match: { kind: "api" }, times: 1, fault: TRICKLE },
    ]);
    expect((await repository.listFiles()).map(({ path }) => path)).toContain(FILE);
    expect((await repository.readFile("config.json", 10_000)).byteLength).toBeGreaterThan(0);
    for (const asked of ["api", "resolve-cache"]) {
      expect(hub.requests.filter(({ kind }) => kind === asked)).toHaveLength(2);
    }
  });
});

it("leaves alone a body whose reader takes its time", async () => {
  const { hub, repository } = await setUp([]);
  let bytes = 0;
  for await (const chunk of repository.readRange(FILE, 0, WEIGHTS.length)) {
    if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 600));
    bytes += chunk.byteLength;
  }
  expect(bytes).toBe(WEIGHTS.length);
  expect(hub.requests.filter(({ kind }) => kind === "cdn")).toHaveLength(1);
});
