import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFamilyMember } from "../../test/hub/make-family.ts";
import { makeHubFolder, type HubFolderFixture } from "../../test/hub/make-hub-folder.ts";
import { readPart } from "../checkpoint/read-part.ts";
import { createHubClient, type HubClient } from "../hub/hub-client.ts";
import { openHubRepository } from "../hub/hub-repository.ts";
import { startLocalHub, type FaultRule, type LocalHub, type LocalHubOptions } from "../local-hub/start-local-hub.ts";
import type { Repository } from "../repository.ts";

const ID = "acme/vit-tiny";
const PATH = "model.safetensors";
const TOKEN = "hf_secret";
const { weights, files } = makeFamilyMember({});
const content = Buffer.concat([weights, Buffer.alloc(900_000), weights.subarray(0, 300_000)]);

interface Opened extends AsyncDisposable {
  readonly hub: LocalHub;
  readonly client: HubClient;
  readonly repository: Repository;
  readonly plain: string[];
}

describe("openXetFile", () => {
  let folder: HubFolderFixture;
  beforeAll(async () => {
    folder = await makeHubFolder({ [ID]: { ...files, [PATH]: content } });
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  async function open(options: Partial<LocalHubOptions> = {}, xet = true): Promise<Opened> {
    const hub = await startLocalHub({ root: folder.root, xet: { xorbBytes: 1_000_000 }, ...options });
    const retry = { tries: 3, firstWaitMs: 1, maxWaitMs: 2 };
    const client = createHubClient({ url: hub.url, token: TOKEN }, { retry, stallMs: 2000 });
    const plain: string[] = [];
    const info = (await (await fetch(`${hub.url}/api/models/${ID}`)).json()) as { sha: string };
    const repository = openHubRepository(client, ID, info.sha, "model", { xet, onPlain: (_, why) => plain.push(why) });
    await repository.listFiles();
    hub.requests.length = 0;
    const close = async (): Promise<void> => {
      await client.close();
      await hub.close();
    };
    return { hub, client, repository, plain, [Symbol.asyncDispose]: close };
  }

  const read = (repository: Repository, begin: number, end: number) => readPart(repository, PATH, begin, end);
  const expectPart = async (repository: Repository, begin: number, end: number): Promise<void> =>
    expect(Buffer.from(await read(repository, begin, end)).equals(content.subarray(begin, end)), `${begin}`).toBe(true);

  it.each([[[1, 2]], [[1]]])("reads a file whole and in part, from a store of versions %s", async (versions) => {
    await using opened = await open({ xet: { xorbBytes: 1_000_000, versions } });
    const { repository, hub } = opened;
    await expectPart(repository, 0, content.length);
    for (let begin = 0; begin < content.length; begin += 333_333) {
      await expectPart(repository, begin, Math.min(content.length, begin + 1 + (begin % 400_000)));
    }
    expect(opened.plain).toEqual([]);
    expect(hub.requests.filter(({ kind }) => kind === "cdn").every(({ path }) => path.startsWith("/xorbs/"))).toBe(
      true,
    );
    expect(hub.requests.filter(({ path }) => path.includes("xet-read-token"))).toHaveLength(1);
    expect(JSON.stringify(hub.requests)).not.toContain(TOKEN);
  });

  it("downloads no more than the chunks around what is asked for, and each once", async () => {
    await using opened = await open();
    const { repository, client } = opened;
    await repository.listTerms?.(PATH); // before that, so little is read by a plain range
    await expectPart(repository, 1_000_000, 1_100_000);
    expect(client.traffic.bytes).toBeLessThanOrEqual(100_000 + 2 * 128 * 1024);
    client.traffic.bytes = 0;
    await expectPart(repository, 0, content.length); // the zeros are one chunk, and the end is the beginning again
    expect(client.traffic.bytes).toBeLessThan(weights.byteLength);
  });

  it("knows what the file is made of, and the lengths of chunks that were read", async () => {
    await using opened = await open();
    const { repository } = opened;
    const before = (await repository.listTerms?.(PATH)) ?? [];
    expect(before.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(content.length);
    expect(before.every(({ lengths }) => lengths === null)).toBe(true);
    await read(repository, 500_000, 900_000);
    const known = ((await repository.listTerms?.(PATH)) ?? []).filter(({ lengths }) => lengths !== null);
    expect(known[0]?.begin).toBeLessThanOrEqual(500_000);
    expect(known.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThanOrEqual(400_000);
    for (const { lengths, bytes, start, end } of known) {
      expect([lengths?.length, lengths?.reduce((a, b) => a + b, 0)]).toEqual([end - start, bytes]);
    }
  });

  it("finds corrupted bytes of a file that is read whole", async () => {
    const corrupt: FaultRule = { match: { path: /^\/xorbs\// }, times: 1, fault: { kind: "corrupt" } };
    await using opened = await open({ faults: [corrupt] });
    await expect(read(opened.repository, 0, content.length)).rejects.toThrow(/hash to|LZ4 frame|chunk/);
  });

  it("goes on after cuts, errors and expired links and tokens", async () => {
    let now = Date.now();
    const at = (kind: "cas" | "cdn", fault: FaultRule["fault"]): FaultRule => ({ match: { kind }, times: 2, fault });
    const faults = [
      at("cdn", { kind: "cut", afterBytes: 1000 }),
      at("cdn", { kind: "status", status: 503 }),
      at("cas", { kind: "cut", afterBytes: 10 }),
      at("cas", { kind: "status", status: 500 }),
    ];
    await using opened = await open({ faults, linkSeconds: 300, now: () => now });
    await expectPart(opened.repository, 0, content.length);
    now += 400_000;
    opened.hub.requests.length = 0;
    await expectPart(opened.repository, 0, content.length);
    expect(opened.hub.requests.filter(({ status }) => status === 403).length).toBeGreaterThan(0);
    expect(opened.hub.requests.filter(({ status }) => status === 401).length).toBe(1);
  });

  it("reads by plain ranges, and says why, where there is no Xet or it does not work", async () => {
    const refused: FaultRule = { match: { kind: "cas" }, fault: { kind: "html" } };
    for (const [options, xet, reason] of [
      [{ xet: false }, true, "the hub offers no Xet for the file"],
      [{}, false, "Xet is switched off"],
      [{ faults: [refused] }, true, expect.stringContaining("Xet did not work")],
    ] as const) {
      await using opened = await open({ ...options, ...("faults" in options && { faults: [...options.faults] }) }, xet);
      await expectPart(opened.repository, 100_000, 900_000);
      expect(opened.plain).toEqual([reason]);
      expect(await opened.repository.listTerms?.(PATH)).toBe(null);
    }
  });

  it("sends the hub's token to no other origin, and the store's token to the store only", async () => {
    await using opened = await open();
    await read(opened.repository, 0, 600_000);
    const authorized = new Set(opened.hub.requests.filter(({ authorized }) => authorized).map(({ kind }) => kind));
    expect(authorized).toEqual(new Set(["api", "cas"]));
  });
});
