import { downloadFile, fileDownloadInfo, listFiles } from "@huggingface/hub";
import { Blob } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { packageFile } from "../../crawler/package-file.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { startLocalHub, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { COMPRESSION, parseChunkHeader, CHUNK_HEADER_BYTES } from "../../crawler/xet/xorb-chunk.ts";
import { makeFamilyMember } from "./make-family.ts";
import { makeHubFolder, MEMBER_TOKEN, type HubFolderFixture } from "./make-hub-folder.ts";

const BASE = "acme/vit-tiny";
const TUNED = "zoo/vit-tiny-birds";
const base = makeFamilyMember({});
const tuned = makeFamilyMember({ lastLayer: 2, head: 2 }, { baseModel: BASE });
const WEIGHTS = "model.safetensors";

const fetchInfo = z.record(
  z.string(),
  z.array(z.object({ url: z.string(), url_range: z.object({ start: z.number(), end: z.number() }) })),
);

const bytesOf = async (blob: unknown, start = 0, end?: number): Promise<Buffer> => {
  if (!(blob instanceof Blob)) throw new Error("expected a file, got nothing");
  return Buffer.from(await blob.slice(start, end).arrayBuffer());
};

describe("@huggingface/hub downloads from the local hub by the Xet protocol", () => {
  let folder: HubFolderFixture;
  let hub: LocalHub;
  beforeAll(async () => {
    const noise = createHash("shake256", { outputLength: 300_000 }).update("noise").digest();
    const picture = await readFile(packageFile("docs", "how-it-works.svg"));
    folder = await makeHubFolder(
      {
        [BASE]: base.files,
        [TUNED]: tuned.files,
        // runs that compress, runs that do not, and chunks that come again
        "acme/odd": {
          "all.bin": Buffer.concat([picture, Buffer.alloc(700_001), base.weights, noise, picture]),
        },
        "acme/gated": { [WEIGHTS]: Buffer.alloc(300_000, 3) },
      },
      { repositories: { "acme/gated": { gated: "manual" } }, tokens: { [MEMBER_TOKEN]: { name: "member" } } },
    );
    hub = await startLocalHub({ root: folder.root, xet: { xorbBytes: 1_000_000 } });
  });
  beforeEach(() => void (hub.requests.length = 0));
  afterAll(async () => {
    await hub.close();
    await folder[Symbol.asyncDispose]();
  });

  async function reconstruction(repo: string, path: string, tokenOf = repo) {
    const accept = { Accept: "application/vnd.xet-fileinfo+json" };
    const resolved = await fetch(`${hub.url}/${repo}/resolve/main/${path}`, { headers: accept });
    const token = await fetch(`${hub.url}/api/models/${tokenOf}/xet-read-token/main`);
    const { accessToken } = z.object({ accessToken: z.string() }).parse(await token.json());
    const url = `${hub.casUrl}/v1/reconstructions/${resolved.headers.get("X-Xet-Hash")}`;
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${accessToken}` } });
    if (!answer.ok) throw new Error(String(answer.status));
    return z
      .object({ terms: z.array(z.object({ hash: z.string() })), fetch_info: fetchInfo })
      .parse(await answer.json());
  }

  it.each([
    [BASE, WEIGHTS, base.weights],
    [TUNED, WEIGHTS, tuned.weights],
    ["acme/odd", "all.bin", undefined],
  ])("%s whole and in part", async (repo, path, content) => {
    const expected = Buffer.from(content ?? (await readFile(`${folder.root}/${repo}/${path}`)));
    const info = await fileDownloadInfo({ repo, path, hubUrl: hub.url });
    expect(info?.xet?.hash).toMatch(/^[0-9a-f]{64}$/);
    const blob = await downloadFile({ repo, path, hubUrl: hub.url });
    expect((await bytesOf(blob)).equals(expected)).toBe(true);
    for (const [start, end] of [
      [0, 1],
      [70_000, 70_001],
      [123_456, 1_234_567],
      [expected.length - 5, expected.length],
    ] as const) {
      expect((await bytesOf(blob, start, end)).equals(expected.subarray(start, end)), `${start}-${end}`).toBe(true);
    }
    expect(hub.requests.some(({ kind }) => kind === "cas")).toBe(true);
    expect(hub.requests.filter(({ kind }) => kind === "cdn").every(({ path }) => path.startsWith("/xorbs/"))).toBe(
      true,
    );
    expect(hub.requests.every(({ status }) => status < 400)).toBe(true);
  });

  it("and finds the same hash in the listing", async () => {
    const hashes: (string | undefined)[] = [];
    for await (const { path, xetHash } of listFiles({ repo: BASE, hubUrl: hub.url })) {
      if (path === WEIGHTS) hashes.push(xetHash);
    }
    expect(hashes).toEqual([(await fileDownloadInfo({ repo: BASE, path: WEIGHTS, hubUrl: hub.url }))?.xet?.hash]);
  });

  it("a fine-tune's reconstruction shares xorbs with its base's", async () => {
    const own = new Set((await reconstruction(BASE, WEIGHTS)).terms.map(({ hash }) => hash));
    const { terms } = await reconstruction(TUNED, WEIGHTS);
    expect(terms.some(({ hash }) => own.has(hash))).toBe(true);
    expect(terms.some(({ hash }) => !own.has(hash))).toBe(true);
  });

  it("which hold chunks of every compression, and are read only where the link was signed for", async () => {
    const seen = new Set<number>();
    for (const { url, url_range: range } of Object.values(
      (await reconstruction("acme/odd", "all.bin")).fetch_info,
    ).flat()) {
      const read = (from: number, to: number) => fetch(url, { headers: { Range: `bytes=${from}-${to}` } });
      if (range.start > 0) expect((await read(range.start - 1, range.end)).status).toBe(403);
      expect((await fetch(url)).status).toBe(403);
      const bytes = Buffer.from(await (await read(range.start, range.end)).arrayBuffer());
      for (let at = 0; at < bytes.length;) {
        const header = parseChunkHeader(bytes.subarray(at));
        seen.add(header.compression);
        at += CHUNK_HEADER_BYTES + header.compressedBytes;
      }
    }
    expect(seen).toEqual(new Set(Object.values(COMPRESSION)));
  });

  it("and tokens open the files of their own repository only", async () => {
    await expect(reconstruction(BASE, WEIGHTS, TUNED)).rejects.toThrow("404");
    expect((await fetch(`${hub.casUrl}/v1/reconstructions/${"0".repeat(64)}`)).status).toBe(401);
    const gated = `${hub.url}/api/models/acme/gated/xet-read-token/main`;
    expect((await fetch(gated)).status).toBe(401);
    expect((await fetch(gated, { headers: { Authorization: `Bearer ${MEMBER_TOKEN}` } })).status).toBe(403);
  });
});
