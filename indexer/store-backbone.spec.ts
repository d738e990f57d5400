import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSafetensorsHeader } from "../crawler/checkpoint/safetensors-header.ts";
import { inspectModel } from "../crawler/inspect-model.ts";
import { openLocalRepository } from "../crawler/local-repository.ts";
import { packageFile } from "../crawler/package-file.ts";
import type { Repository } from "../crawler/repository.ts";
import { startTensorHash } from "./hash-block.ts";
import { storeBackbone } from "./store-backbone.ts";
import { openBlockStore } from "./store/block-store.ts";

const FIXTURE = packageFile("test", "golden", "fixtures", "hub", "acme-odd", "yolos-odd-sizes");
const SHARDS = 5;

let home: string;
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "alsatian-store-spec-"))));
afterEach(() => rm(home, { recursive: true, force: true }));

async function readFixture() {
  const bytes = await readFile(join(FIXTURE, "model.safetensors"));
  const length = Number(bytes.readBigUInt64LE());
  return { bytes, entries: parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.byteLength) };
}

/** The same model with its tensors dealt out to several files in turn, so that every block lies in all of them. */
async function makeShards(folder: string): Promise<void> {
  const { bytes, entries } = await readFixture();
  await mkdir(folder, { recursive: true });
  for (const name of ["config.json", "preprocessor_config.json"]) {
    await writeFile(join(folder, name), await readFile(join(FIXTURE, name)));
  }
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < SHARDS; shard++) {
    const file = `model-${shard}.safetensors`;
    const part = entries.filter((_, index) => index % SHARDS === shard);
    let end = 0;
    const header = part.map(({ name, dtype, shape, begin: from, end: to }) => {
      weightMap[name] = file;
      const begin = end;
      end += to - from;
      return [name, { dtype, shape, data_offsets: [begin, end] }];
    });
    const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.byteLength));
    const weights = part.map(({ begin, end: to }) => bytes.subarray(begin, to));
    await writeFile(join(folder, file), Buffer.concat([length, json, ...weights]));
  }
  await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
}

async function store(repository: Repository, name: string) {
  const { export: plan } = await inspectModel(repository);
  if (plan instanceof Error) throw plan;
  const { checkpoint, backbone } = plan;
  return storeBackbone({
    repository,
    checkpoint,
    backbone,
    store: openBlockStore(join(home, name)),
    tensors: "all",
  });
}

describe("storeBackbone", () => {
  it("finds the same blocks in many files as in one", async () => {
    const whole = await store(await openLocalRepository(FIXTURE), "whole");
    await makeShards(join(home, "model"));
    const parts = await store(await openLocalRepository(join(home, "model")), "parts");
    expect(parts.blocks).toEqual(whole.blocks);
    expect(new Map([...parts.tensors].sort())).toEqual(new Map([...whole.tensors].sort()));
    expect(await readdir(join(home, "parts", "store", "tmp"))).toEqual([]);
  });

  it("hashes every tensor as its values, whether or not a block takes it whole", async () => {
    const { tensors } = await store(await openLocalRepository(FIXTURE), "whole");
    const { bytes, entries } = await readFixture();
    for (const { name, shape, begin, end } of entries) {
      const expected = startTensorHash(shape).update(bytes.subarray(begin, end)).digest("hex");
      expect(tensors.get(name), name).toEqual({ hash: expected, evidence: "hash" });
    }
    expect(tensors.size).toBe(entries.length);
  });

  it("stops all files when one fails, and leaves nothing half-written", async () => {
    await makeShards(join(home, "model"));
    const whole = await openLocalRepository(join(home, "model"));
    let open = 0;
    const broken: Repository = {
      ...whole,
      async *readRange(path, begin, end, signal) {
        open++;
        try {
          if (path === "model-3.safetensors" && begin > 0) throw new Error("the disk is gone");
          yield* whole.readRange(path, begin, end, signal);
        } finally {
          open--;
        }
      },
    };
    await expect(store(broken, "broken")).rejects.toThrow("the disk is gone");
    expect(open).toBe(0);
    const left = await readdir(join(home, "broken"), { recursive: true, withFileTypes: true }).catch(() => []);
    expect(left.filter((entry) => entry.name.endsWith(".bin") || entry.name.endsWith(".tmp"))).toEqual([]);
  });
});
