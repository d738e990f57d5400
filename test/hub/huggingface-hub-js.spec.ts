import {
  checkRepoAccess,
  datasetInfo,
  downloadFile,
  fileDownloadInfo,
  HubApiError,
  listFiles,
  listModels,
  modelInfo,
  parseSafetensorsMetadata,
  pathsInfo,
  snapshotDownload,
  whoAmI,
} from "@huggingface/hub";
import { Blob } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { startLocalHub, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import {
  BASE,
  GATED,
  makeFamilyFolder,
  MEMBER_TOKEN,
  modelFiles,
  PRIVATE,
  STRANGER_TOKEN,
  TUNED,
  type HubFolderFixture,
} from "./make-hub-folder.ts";

describe("@huggingface/hub with the local hub", () => {
  let folder: HubFolderFixture;
  let hub: LocalHub;
  let hubUrl: string;
  const weights = Buffer.from(modelFiles(2, "")["model.safetensors"] ?? "");

  beforeAll(async () => {
    folder = await makeFamilyFolder();
    hub = await startLocalHub({ root: folder.root });
    hubUrl = hub.url;
  });
  beforeEach(() => void (hub.requests.length = 0));
  afterAll(async () => {
    await hub.close();
    await folder[Symbol.asyncDispose]();
  });

  const names = async (params: NonNullable<Parameters<typeof listModels>[0]>): Promise<readonly string[]> => {
    const found: string[] = [];
    for await (const { name } of listModels({ ...params, hubUrl })) found.push(name);
    return found;
  };
  const failure = async (work: Promise<unknown>): Promise<HubApiError> => {
    const error: unknown = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof HubApiError)) throw new Error(`expected a HubApiError, got ${String(error)}`);
    return error;
  };

  const bytesOf = async (blob: unknown, start = 0, end?: number): Promise<Buffer> => {
    if (!(blob instanceof Blob)) throw new Error("expected a file, got nothing");
    return Buffer.from(await blob.slice(start, end).arrayBuffer());
  };

  it("lists models by base model, author, task and text", async () => {
    const tags = [`base_model:finetune:${BASE}`];
    expect(await names({ search: { tags } })).toEqual([GATED, TUNED]);
    expect(await names({ search: { tags: [`base_model:adapter:${BASE}`] } })).toEqual(["zoo/resnet-tiny-lora"]);
    expect(await names({ search: { tags, owner: "zoo" } })).toEqual([TUNED]);
    expect(await names({ search: { query: "BIRDS" } })).toEqual([TUNED]);
    expect(await names({ search: { tags: ["pytorch"] } })).toEqual(["zoo/other"]);
    expect(await names({ search: { task: "image-classification", tags: ["license:apache-2.0"] } })).toEqual([BASE]);
    expect(await names({ search: { tags }, accessToken: MEMBER_TOKEN })).toContain(PRIVATE);
  });

  it("sorts and follows the pages", async () => {
    expect((await names({ sort: "downloads" })).slice(0, 3)).toEqual([BASE, GATED, TUNED]);
    expect((await names({ sort: "likes", limit: 1 })).slice(0, 1)).toEqual([TUNED]);
    const small: typeof fetch = (input, init) => fetch(String(input).replace("limit=500", "limit=2"), init);
    expect(await names({ sort: "downloads", fetch: small })).toEqual(await names({ sort: "downloads" }));
    expect(hub.requests.filter(({ path }) => path.includes("cursor=")).length).toBe(2);
  });

  it("reads a model's info with its derived fields", async () => {
    const additionalFields = ["sha", "tags", "cardData", "config", "safetensors", "author", "filePaths"] as const;
    const model = await modelInfo({ name: BASE, hubUrl, additionalFields: [...additionalFields] });
    expect(model).toMatchObject({ name: BASE, task: "image-classification", downloads: 900, gated: false });
    expect(model.updatedAt).toEqual(new Date("2024-01-01T00:00:00Z"));
    expect(model.tags).toEqual([
      "transformers",
      "safetensors",
      "resnet",
      "image-classification",
      "vision",
      "en",
      "dataset:imagenet-1k",
      "license:apache-2.0",
      "region:us",
    ]);
    expect(model.safetensors).toEqual({ parameters: { F32: 148 }, total: 148 });
    expect(model.filePaths).toEqual(["README.md", "config.json", "model.safetensors", "onnx/notes.txt"]);
    const pinned = await modelInfo({ name: BASE, hubUrl, revision: model.sha, additionalFields: ["sha"] });
    expect(pinned.sha).toBe(model.sha);
  });

  it("lists files", async () => {
    const found: [string, string, boolean][] = [];
    for await (const { type, path, lfs } of listFiles({ repo: TUNED, hubUrl, recursive: true, expand: true })) {
      found.push([type, path, lfs !== undefined]);
    }
    expect(found).toEqual([
      ["file", "README.md", false],
      ["file", "config.json", false],
      ["file", "model.safetensors", true],
      ["directory", "onnx", false],
      ["file", "onnx/notes.txt", false],
    ]);
  });

  it("downloads files, whole and in part, without taking the token to the second origin", async () => {
    const repo = GATED;
    const options = { repo, hubUrl, accessToken: MEMBER_TOKEN };
    const expected = Buffer.from(modelFiles(3, "")["model.safetensors"] ?? "");
    const info = await fileDownloadInfo({ ...options, path: "model.safetensors" });
    expect(info?.size).toBe(expected.length);
    const [large] = await pathsInfo({ ...options, paths: ["model.safetensors"] });
    expect(large?.lfs?.oid).toBe(createHash("sha256").update(expected).digest("hex"));
    const blob = await downloadFile({ ...options, path: "model.safetensors" });
    expect(await bytesOf(blob)).toEqual(expected);
    expect(await bytesOf(blob, 3, 300)).toEqual(expected.subarray(3, 300));
    const config = await bytesOf(await downloadFile({ ...options, path: "config.json" }));
    expect(JSON.parse(config.toString())).toMatchObject({ seed: 3 });

    const cdn = hub.requests.filter(({ kind }) => kind === "cdn");
    expect(cdn.map(({ range, bytesSent }) => [range, bytesSent])).toContainEqual(["bytes=3-299", 297]);
    expect(cdn.some(({ authorized }) => authorized)).toBe(false);
    expect(hub.requests.every(({ kind, authorized }) => authorized === (kind !== "cdn"))).toBe(true);
    expect(JSON.stringify(hub.requests)).not.toContain(MEMBER_TOKEN);
  });

  it("reads a safetensors header by ranges", async () => {
    const metadata = await parseSafetensorsMetadata({ repo: TUNED, hubUrl, computeParametersCount: true });
    expect(metadata.parameterCount).toEqual({ F32: 148 });
  });

  it("downloads a snapshot", async () => {
    vi.spyOn(console, "debug").mockImplementation(() => undefined); // the client reports each file
    const cacheDir = await mkdtemp(path.join(tmpdir(), "hub-cache-"));
    try {
      const snapshot = await snapshotDownload({ repo: TUNED, hubUrl, cacheDir });
      expect(await readFile(path.join(snapshot, "model.safetensors"))).toEqual(weights);
      expect(await readFile(path.join(snapshot, "onnx", "notes.txt"), "utf8")).toBe("notes on 2\n");
    } finally {
      await rm(cacheDir, { recursive: true, force: true });
    }
  });

  it("reads data sets", async () => {
    const repo = { type: "dataset", name: "acme/birds" } as const;
    expect(await datasetInfo({ name: repo.name, hubUrl, additionalFields: ["tags"] })).toMatchObject({
      name: repo.name,
      tags: ["task_categories:image-classification", "license:mit", "region:us"],
    });
    const blob = await downloadFile({ repo, hubUrl, path: "data/train-00000-of-00001.parquet" });
    expect(await bytesOf(blob)).toEqual(Buffer.alloc(3000, 9));
  });

  it("fails as with the Hub", async () => {
    expect((await failure(modelInfo({ name: "nobody/nothing", hubUrl }))).statusCode).toBe(401);
    const known = { hubUrl, accessToken: STRANGER_TOKEN };
    expect((await failure(modelInfo({ name: "nobody/nothing", ...known }))).statusCode).toBe(404);
    expect((await failure(modelInfo({ name: PRIVATE, ...known }))).statusCode).toBe(404);
    expect((await modelInfo({ name: PRIVATE, hubUrl, accessToken: MEMBER_TOKEN })).private).toBe(true);
    expect((await failure(modelInfo({ name: BASE, hubUrl, revision: "v9" }))).message).toContain("Invalid rev id: v9");
    expect(await fileDownloadInfo({ repo: BASE, hubUrl, path: "nothing.bin" })).toBeNull();
    expect((await failure(fileDownloadInfo({ repo: GATED, path: "config.json", ...known }))).statusCode).toBe(403);
    expect((await failure(fileDownloadInfo({ repo: GATED, path: "config.json", hubUrl }))).statusCode).toBe(401);
    await expect(checkRepoAccess({ repo: PRIVATE, hubUrl, accessToken: MEMBER_TOKEN })).resolves.toBeUndefined();
    expect(await whoAmI({ hubUrl, accessToken: MEMBER_TOKEN })).toMatchObject({ type: "user", name: "member" });
    expect((await failure(whoAmI({ hubUrl, accessToken: "hf_forged" }))).statusCode).toBe(401);
  });
});
