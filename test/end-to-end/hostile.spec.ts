import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { MAX_TENSORS } from "../../crawler/checkpoint/safetensors-header.ts";
import { OPCODE_NAMES } from "../../crawler/checkpoint/torch/pickle-opcodes.ts";
import { startLocalHub, type FaultRule, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { makeHubFolder, type HubFolderFixture, type RepositoryFiles } from "../hub/make-hub-folder.ts";
import { safetensorsBytes } from "../hub/write-safetensors.ts";
import { torchFixture } from "../torch/memory-file.ts";
import { zipBytes } from "../torch/write-zip.ts";
import { runCommand, runJson } from "./run-command.ts";

/**
 * Repositories that attack, through the hub's protocol: each fails with its reason, the crawl goes on, nothing is written
 * beside the home, and memory stays bounded.
 */

const GOOD = "zoo/good";
/** A crawl of good models alone takes some 300 MB: Node, DuckDB, and what 8 readers hold. */
const MAX_RSS_BYTES = 900e6;
const HUGE_BYTES = 1_000_000_000;

const resnet = JSON.stringify({ model_type: "resnet", depths: [1], hidden_sizes: [8], embedding_size: 4 });
const weights = safetensorsBytes({ "resnet.embedder.embedder.convolution.weight": [4, 3, 7, 7] });

function withHeader(json: string): Uint8Array {
  const text = Buffer.from(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(16)]);
}

const safetensors = (json: string): RepositoryFiles => ({
  "config.json": resnet,
  "model.safetensors": withHeader(json),
});
const torch = (bytes: Uint8Array): RepositoryFiles => ({ "config.json": resnet, "pytorch_model.bin": bytes });
const archive = (pickle: Uint8Array, options?: Parameters<typeof zipBytes>[1]) =>
  zipBytes(new Map([["archive/data.pkl", pickle]]), options);
const u8 = (begin: number, end: number) => `{"dtype":"U8","shape":[${end - begin}],"data_offsets":[${begin},${end}]}`;

interface Case {
  readonly name: string;
  readonly files: RepositoryFiles;
  readonly reason: RegExp;
  /** What the hub's listing claims the repository holds, in place of the truth. */
  readonly tree?: readonly { readonly path: unknown; readonly size: unknown }[];
}

const length = Buffer.alloc(64);
length.writeBigUInt64LE(2n ** 64n - 1n);

/** Opcodes that no state dict needs: what imports, calls or builds objects, and what nobody writes any more. */
const READ = new Set(
  (
    "MARK STOP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT SHORT_BINSTRING BINSTRING SHORT_BINUNICODE " +
    "BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS BINPUT " +
    "LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID PROTO FRAME"
  ).split(" "),
);
const refusedOpcodes = [...OPCODE_NAMES].filter(([, name]) => !READ.has(name));

const listing = [
  { path: "config.json", size: resnet.length },
  { path: "model.safetensors", size: weights.byteLength },
];
const oddPaths = [
  "../../../zoo/good/resolve/main/x",
  "/etc/passwd",
  "C:\\Windows\\x.dll",
  "a\0b",
  "\u001b[2J\u001b]0;x",
];

const cases: readonly Case[] = [
  ...oddPaths.map((path, index) => ({
    name: `path-${index}`,
    files: { "config.json": resnet, "model.safetensors": weights },
    tree: [...listing, { path, size: 1 }],
    reason: /the repository lists ".*", which is no path inside a repository/,
  })),
  {
    name: "size",
    files: { "config.json": resnet },
    tree: [{ path: "config.json", size: -1 }],
    reason: /lists "config.json" with a size of -1 bytes/,
  },
  {
    name: "shard-outside",
    files: {
      "config.json": resnet,
      "model.safetensors.index.json": JSON.stringify({ weight_map: { a: "../../../zoo/good/model.safetensors" } }),
    },
    reason: /names "\.\.\/\.\.\/\.\.\/zoo\/good\/model\.safetensors", which is not there/,
  },
  {
    name: "header-length",
    files: { "config.json": resnet, "model.safetensors": length },
    reason: /header claims 18446744073709551615 bytes/,
  },
  { name: "beyond", files: safetensors(`{"a":${u8(0, 17)}}`), reason: /tensor "a": it ends at byte \d+, beyond/ },
  { name: "overlap", files: safetensors(`{"a":${u8(0, 8)},"b":${u8(4, 12)}}`), reason: /"a" and "b" overlap/ },
  {
    name: "overflow",
    files: safetensors(`{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`),
    reason: /tensor "a": its shape \[4294967296, 4294967296\] overflows/,
  },
  {
    name: "offsets-beyond-2-53",
    files: safetensors(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,18446744073709551616]}}`),
    reason: /tensor "a": bad data_offsets/,
  },
  { name: "twice", files: safetensors(`{"a":${u8(0, 8)},"a":${u8(8, 16)}}`), reason: /it names "a" twice/ },
  { name: "proto", files: safetensors(`{"__proto__":{"x":1}}`), reason: /tensor "__proto__": unknown data type/ },
  {
    name: "million",
    files: safetensors(`{${Array.from({ length: 1_000_000 }, (_, at) => `"${at}":0`).join(",")}}`),
    reason: new RegExp(`lists 1000000 tensors, the limit is ${MAX_TENSORS}`),
  },
  { name: "header-depth", files: safetensors(`{"a":${"[".repeat(1e6)}`), reason: /nested deeper than 4 levels/ },
  {
    name: "config-depth",
    files: { "config.json": `{"a":${"[".repeat(1e6)}${"]".repeat(1e6)}}`, "model.safetensors": weights },
    reason: /config\.json: it is nested deeper than 100 levels/,
  },
  {
    name: "config-1gb",
    files: { "config.json": "", "model.safetensors": weights },
    reason: /config\.json has more than 5000000 bytes/,
  },
  {
    name: "config-1gb-undeclared",
    files: { "config.json": "", "model.safetensors": weights },
    tree: listing,
    reason: /config\.json has more than 5000000 bytes/,
  },
  {
    name: "config-numbers",
    files: { "config.json": resnet.replace("[1]", "[1e9]"), "model.safetensors": weights },
    reason: /config\.json: depths|checkpoint has no tensor|modules/,
  },
  { name: "malicious", files: torch(torchFixture("malicious.bin")), reason: /nothing is executed/ },
  { name: "malicious-legacy", files: torch(torchFixture("malicious-legacy.bin")), reason: /nothing is executed/ },
  {
    name: "zip-bomb",
    files: torch(archive(Buffer.alloc(1000), { method: 8 })),
    reason: /zip entry "archive\/data\.pkl" is compressed/,
  },
  ...refusedOpcodes.map(([code, name]) => ({
    name: `opcode-${name.toLowerCase().replaceAll("_", "-")}`,
    files: torch(archive(Uint8Array.from([0x80, 2, 0x7d, 0x28, 0x4e, code, ...new Array<number>(16).fill(0)]))),
    reason: new RegExp(`the pickle asks for ${name} at byte 5: .*nothing is executed`),
  })),
];

let sandbox: string;
let home: string;
let folder: HubFolderFixture;
let hub: LocalHub;
beforeAll(async () => {
  sandbox = await mkdtemp(join(tmpdir(), "alsatian-hostile-"));
  home = join(sandbox, "home");
  folder = await makeHubFolder(Object.fromEntries(cases.map(({ name, files }) => [`evil/${name}`, files])));
  const fixture = packageFile("test", "golden", "fixtures", "hub", "acme-odd", "yolos-odd-sizes");
  await cp(fixture, join(folder.root, ...GOOD.split("/")), { recursive: true });
  for (const name of ["config-1gb", "config-1gb-undeclared"]) {
    const file = await open(join(folder.root, "evil", name, "config.json"), "w");
    await file.truncate(HUGE_BYTES);
    await file.close();
  }
  const faults = cases.flatMap(({ name, tree }): FaultRule[] => {
    if (!tree) return [];
    const body = JSON.stringify(tree.map((entry) => ({ type: "file", oid: "0".repeat(40), ...entry })));
    const headers = { "Content-Type": "application/json" };
    const path = new RegExp(`^/api/models/evil/${name}/tree/`);
    return [{ match: { path }, fault: { kind: "status", status: 200, headers, body } }];
  });
  hub = await startLocalHub({ root: folder.root, faults });
});
afterAll(async () => {
  await hub.close();
  await folder[Symbol.asyncDispose]();
  await rm(sandbox, { recursive: true, force: true });
});

const reportSchema = z.object({
  models: z.looseObject({ indexed: z.number(), listed: z.number() }),
  failed: z.array(z.object({ model: z.string(), reason: z.string() })),
});
const usageSchema = z.object({ peakRssBytes: z.number() });

/** Names of everything below a folder. */
const namesIn = async (path: string): Promise<string[]> => (await readdir(path, { recursive: true })).sort();

/** All that a home may hold. */
const OWN =
  /^(catalog(\.duckdb|\/work\.duckdb(\.wal)?)?|store(\/(blocks(\/[0-9a-f]{2}(\/[0-9a-f]{64}\.(onnx|bin))?)?|graphs(\/[0-9a-f]{64}\.json)?|tmp|tokenizers))?)$/;

describe("a crawl of hostile repositories", () => {
  it("fails each with its reason, indexes the good one, and writes nothing but the home, in bounded memory", async () => {
    const list = join(sandbox, "models.txt");
    const usage = join(sandbox, "usage.json");
    await mkdir(home);
    await writeFile(list, [...cases.map(({ name }) => `evil/${name}`), GOOD].join("\n"));
    const before = await namesIn(sandbox);
    const args = ["crawl", "--models", list, "--include-pickle", "--hub", hub.url, "--home", home, "--json"];
    const hook = pathToFileURL(packageFile("dist", "scripts", "bench", "report-usage.js")).href;
    const env = { NODE_OPTIONS: `--import=${hook}`, ALSATIAN_BENCH_USAGE: usage };
    const { code, stdout, stderr } = await runCommand(args, { env });
    expect(code, stderr).toBe(3);
    const report = reportSchema.parse(JSON.parse(stdout));
    const reasons = new Map(report.failed.map(({ model, reason }) => [model, reason]));
    for (const { name, reason } of cases) expect(reasons.get(`evil/${name}`), name).toMatch(reason);
    expect(report.models).toMatchObject({ indexed: 1, listed: cases.length + 1 });
    expect(stdout + stderr).not.toMatch(/^ {4}at /m);
    expect((stdout + stderr).replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);

    const { peakRssBytes } = usageSchema.parse(JSON.parse(await readFile(usage, "utf8")));
    expect(peakRssBytes).toBeLessThan(MAX_RSS_BYTES);
    const beside = (await namesIn(sandbox)).filter((name) => !name.startsWith("home/"));
    expect(beside).toEqual([...before, "usage.json"].sort());
    expect((await namesIn(home)).filter((name) => !OWN.test(name.replaceAll("\\", "/")))).toEqual([]);
    const outside = hub.requests.filter(({ path }) => path.includes("/zoo/good/resolve/main/x") || path.includes(".."));
    expect(outside).toEqual([]);
  });

  it("keeps the reasons in the catalog, as they were printed", async () => {
    const query = "SELECT model_id, status, reason FROM models WHERE status <> 'indexed' ORDER BY model_id";
    const rows = z
      .array(z.object({ model_id: z.string(), status: z.enum(["failed", "unsupported"]), reason: z.string() }))
      .parse(await runJson(["sql", query, "--home", home]));
    expect(rows.map((row) => row.model_id)).toEqual(cases.map(({ name }) => `evil/${name}`).sort());
    const table = await runCommand(["sql", query, "--home", home, "--format", "table"]);
    expect(table.stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  });
});

describe("a listing of hostile ids", () => {
  const ids = [
    "x'; DROP TABLE models; --",
    "x/'; DROP TABLE models; --",
    "\u001b[2J/x",
    "../../etc",
    "a/b/c",
    "a/..",
    "",
  ];

  it("crawls the models whose ids are ids, and no others", async () => {
    const entry = (id: string) => ({
      _id: "0",
      id,
      modelId: id,
      sha: "1".repeat(40),
      tags: [],
      lastModified: "2025-01-01",
    });
    const body = JSON.stringify(
      ids.map((id) => ({ ...entry(id), likes: 0, downloads: 0, private: false, gated: false })),
    );
    const fault = { kind: "status", status: 200, headers: { "Content-Type": "application/json" }, body } as const;
    hub.faults.unshift({ match: { path: /^\/api\/models\?/ }, fault });
    hub.requests.length = 0;
    const { code, stdout, stderr } = await runCommand(["crawl", "--family", GOOD, "--hub", hub.url, "--home", home]);
    expect([code, stderr.replaceAll("\n", "")]).toEqual([0, expect.not.stringMatching(/\p{Cc}/u)]);
    expect(stdout).toMatch(/^1 models: 1 (indexed|unchanged)\n/); // the base itself, which is one of the family now
    expect(hub.requests.map(({ path }) => path.replace(/\?.*/, "")).filter((path) => path.includes("/x"))).toEqual([]);
  });

  it.each(ids.filter((id) => id !== ""))("is wrong usage as --model: %j", async (id) => {
    const { code, stderr } = await runCommand(["crawl", "--model", id, "--hub", hub.url, "--home", home]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/is not a model id \(org\/name\)/);
    expect(stderr.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  });
});
