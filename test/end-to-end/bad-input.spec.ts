import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLocalHub, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { makeHubFolder, type HubFolderFixture } from "../hub/make-hub-folder.ts";
import { safetensorsBytes } from "../hub/write-safetensors.ts";
import { runCommand, runJson } from "./run-command.ts";

/** Wrong usage and input: one clear message on stderr, exit code 2, no stack trace, nothing on stdout, nothing lost. */
let home: string;
let data: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-bad-"));
  data = await mkdtemp(join(tmpdir(), "alsatian-data-"));
  expect((await runCommand(["crawl", "--family", "detr-resnet-50", "--hub", "sample", "--home", home])).code).toBe(0);
  await cp(packageFile("data", "sample-images"), join(data, "good"), { recursive: true });
  await cp(join(data, "good"), join(data, "damaged"), { recursive: true });
  await writeFile(join(data, "damaged", "train", "0", "not-a-picture.png"), "hello");
  await cp(join(data, "good", "train", "0"), join(data, "one-class", "train", "0"), { recursive: true });
  await cp(join(data, "good", "test", "0"), join(data, "one-class", "test", "0"), { recursive: true });
  await cp(join(data, "good"), join(data, "empty-class"), { recursive: true });
  await mkdir(join(data, "empty-class", "train", "nothing"));
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
  await rm(data, { recursive: true, force: true });
});

async function expectUsageError(args: readonly string[], message: string | RegExp) {
  const { code, stdout, stderr } = await runCommand([...args, "--home", home]);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect([code, stdout]).toEqual([2, ""]);
}

const SEARCH = ["search", "--family", "detr-resnet-50"];

describe("wrong usage", () => {
  it.each([
    ["an unknown command", ["frobnicate"], /Unknown command: frobnicate/],
    ["no command", [], /name a command/],
    ["an unknown option", [...SEARCH, "--frobnicate"], /Unknown argument: frobnicate/],
    [
      "an unknown family",
      ["crawl", "--family", "detr-resnet-51", "--hub", "sample"],
      /unknown family "detr-resnet-51".*families/,
    ],
    ["an unknown base model", ["crawl", "--family", "no/such-base", "--hub", "sample"], /has no model no\/such-base/],
    ["an unknown model", ["crawl", "--model", "no/such-model", "--hub", "sample"], /has no model no\/such-model/],
    ["a model id that is none", ["crawl", "--model", "../../etc", "--hub", "sample"], /is not a model id/],
    ["nothing to crawl", ["crawl"], /name a --family or a --model/],
    [
      "a hub that is no address",
      ["crawl", "--family", "detr-resnet-50", "--hub", "ftp://x"],
      /is not an http\(s\) address/,
    ],
    [
      "an unreachable hub",
      ["crawl", "--family", "detr-resnet-50", "--hub", "http://127.0.0.1:9"],
      /cannot reach the hub/,
    ],
    ["no candidates", ["search"], /name a --family/],
    ["a wrong condition", ["search", "--where", "parameters <"], /is not a condition/],
    ["a budget that is no amount", [...SEARCH, "--budget", "lots"], /--budget: expected an amount of bytes/],
    [
      "a budget too small for one item",
      [...SEARCH, "--budget", "1kB"],
      /too small.*smallest that works is .*--budget \d+/,
    ],
    [
      "a device of another system",
      [...SEARCH, "--device", process.platform === "win32" ? "coreml" : "dml"],
      /--device \w+: not on .*\nwhat works here: cpu/,
    ],
    [
      "a device budget that is no amount",
      [...SEARCH, "--device-budget", "lots"],
      /--device-budget: expected an amount/,
    ],
    [
      "a device budget without a device",
      [...SEARCH, "--device", "cpu", "--device-budget", "1GB"],
      /--device-budget: the cpu has no memory of its own/,
    ],
    ["a count below its least", [...SEARCH, "--top", "0"], /--top: expected a whole number of at least 1, got 0/],
    ["an unknown proxy", [...SEARCH, "--proxy", "magic"], /magic/],
    ["an unknown run", ["search", "--resume", "20000101000000-ffff"], /no run 20000101000000-ffff/],
    ["SQL that is none", ["sql", "SELEC 1"], /SELEC/],
    ["SQL that writes", ["sql", "DELETE FROM models"], /read-only/],
    [
      "a comparison with an unknown model",
      ["compare", "facebook/detr-resnet-50", "no/model"],
      /no\/model is not in the catalog/,
    ],
    ["a scan of nothing", ["scan", "./no-such-folder"], /neither a folder nor a model id/],
    ["an overlap of an unknown family", ["overlap", "--family", "nothing"], /nothing of family nothing is indexed/],
    ["an export of nothing", ["export", "--to", "/tmp/x"], /name a model/],
  ] as const)("%s", (_name, args, message) => expectUsageError(args, message));
});

describe("wrong data sets", () => {
  it.each([
    ["a folder that is not there", "nowhere", /there is no file or folder/],
    ["a single class", "one-class", /has only one class, "0"/],
    ["an empty class folder", "empty-class", /no pictures in the class folder "nothing"/],
    [
      "an unreadable picture",
      "damaged",
      /1 of 601 pictures cannot be read:\n.*not-a-picture\.png.*\n.*--skip-bad-items/,
    ],
  ] as const)("%s", (_name, folder, message) => expectUsageError([...SEARCH, "--data", join(data, folder)], message));

  it("goes on without unreadable pictures when told to", async () => {
    const args = [...SEARCH, "--data", join(data, "damaged"), "--skip-bad-items", "--explain", "--home", home];
    const { code, stderr } = await runCommand(args);
    expect(code).toBe(0);
    expect(stderr).toMatch(/skipped train\/0\/not-a-picture\.png/);
  });
});

describe("wrong models", () => {
  const config = {
    "config.json": JSON.stringify({ model_type: "resnet", depths: [1], hidden_sizes: [8], embedding_size: 4 }),
  };
  const weights = safetensorsBytes({ "resnet.embedder.embedder.convolution.weight": [4, 3, 7, 7] });
  const withHeader = (json: string, body = 16): Uint8Array => {
    const text = Buffer.from(json);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, Buffer.alloc(body)]);
  };
  const entry = (dtype: string, shape: number[], data_offsets: number[]) => ({ dtype, shape, data_offsets });
  const huge = Buffer.alloc(64);
  huge.writeBigUInt64LE(2n ** 62n);

  const cases: [name: string, files: Record<string, string | Uint8Array>, reason: RegExp][] = [
    ["no-weights", config, /no weights: the repository has no safetensors file/],
    ["no-config", { "model.safetensors": weights }, /no config\.json/],
    ["adapter", { "adapter_config.json": "{}", "adapter_model.safetensors": weights }, /adapter without base weights/],
    [
      "not-json",
      { ...config, "config.json": "<html>busy</html>", "model.safetensors": weights },
      /config\.json is not JSON.*web page/,
    ],
    [
      "foreign",
      { "config.json": '{"model_type":"foo"}', "model.safetensors": weights },
      /model_type "foo" has no exporter/,
    ],
    [
      "missing-tensors",
      { ...config, "model.safetensors": weights },
      /block stem: checkpoint has no tensor ".*running_|normalization/,
    ],
    ["huge-header", { ...config, "model.safetensors": huge }, /header claims 4611686018427387904 bytes/],
    ["not-a-header", { ...config, "model.safetensors": withHeader("[1, 2") }, /the header is not JSON/],
    [
      "beyond-the-file",
      { ...config, "model.safetensors": withHeader(JSON.stringify({ a: entry("F32", [100], [0, 400]) })) },
      /tensor "a": it ends at byte \d+, beyond the file's/,
    ],
    [
      "overlap",
      {
        ...config,
        "model.safetensors": withHeader(
          JSON.stringify({ a: entry("F32", [2], [0, 8]), b: entry("F32", [2], [4, 12]) }),
        ),
      },
      /tensors "a" and "b" overlap/,
    ],
    [
      "wrong-size",
      { ...config, "model.safetensors": withHeader(JSON.stringify({ a: entry("F32", [3], [0, 8]) })) },
      /F32 \[3\] takes 12 bytes, its offsets say 8/,
    ],
    [
      "overflow",
      { ...config, "model.safetensors": withHeader(JSON.stringify({ a: entry("F32", [2 ** 40, 2 ** 40], [0, 8]) })) },
      /overflows/,
    ],
  ];
  let folder: HubFolderFixture;
  let hub: LocalHub;
  beforeAll(async () => {
    folder = await makeHubFolder(Object.fromEntries(cases.map(([name, files]) => [`bad/${name}`, files])));
    hub = await startLocalHub({ root: folder.root });
  });
  afterAll(async () => {
    await hub.close();
    await folder[Symbol.asyncDispose]();
  });

  it.each(cases)("%s", async (name, _files, reason) => {
    const args = ["crawl", "--model", `bad/${name}`, "--hub", hub.url, "--home", home];
    const { code, stdout, stderr } = await runCommand(args);
    expect(stdout).toMatch(reason);
    expect(stdout + stderr).not.toMatch(/^ {4}at /m);
    expect(code).toBe(2);
  });

  it("leave the rest of the catalog and store as they were, and no temporary files", async () => {
    const rows = await runJson([
      "sql",
      "SELECT count(*)::INT AS n FROM models WHERE status = 'indexed'",
      "--home",
      home,
    ]);
    expect(rows).toEqual([{ n: 16 }]);
    expect((await runCommand(["index", "--verify", "--home", home])).code).toBe(0);
    expect(await readdir(join(home, "store", "tmp")).catch(() => [])).toEqual([]);
  });
});
