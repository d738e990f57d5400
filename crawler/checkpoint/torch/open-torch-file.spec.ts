import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryFile, torchFixture } from "../../../test/torch/memory-file.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { fetchTensors, planRanges } from "../../fetch-tensors.ts";
import type { Repository } from "../../repository.ts";
import { isFloat, toFloat32 } from "../dtype.ts";
import type { TensorEntry } from "../safetensors-header.ts";
import { openTorchFile } from "./open-torch-file.ts";

const FORMATS = ["zip.bin", "zip-protocol-4.bin", "legacy.bin", "legacy-protocol-5.bin"] as const;

interface Expected {
  readonly shape: number[];
  readonly dtype: string;
  readonly values: number[];
}

const DTYPES: Readonly<Record<string, string>> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float64: "F64",
  int64: "I64",
  bool: "BOOL",
};
const expected = JSON.parse(new TextDecoder().decode(torchFixture("expected.json"))) as Record<string, Expected>;

/** A repository of one file, which arrives in chunks of a few bytes. */
const repositoryOf = (bytes: Uint8Array, chunkBytes: number): Repository => ({
  id: "acme/test",
  revision: "0".repeat(40),
  listFiles: () => Promise.resolve([]),
  readFile: () => Promise.reject(new Error("not needed")),
  async *readRange(_path, begin, end) {
    for (let at = begin; at < end; at += chunkBytes) {
      yield await Promise.resolve(bytes.slice(at, Math.min(end, at + chunkBytes)));
    }
  },
});

async function readValues(bytes: Uint8Array, entries: readonly TensorEntry[], chunkBytes: number) {
  const ranges = planRanges(entries.map((entry) => ({ ...entry, file: "pytorch_model.bin" })));
  const parts = new Map<string, Uint8Array[]>();
  for await (const { tensor, bytes: part } of fetchTensors(repositoryOf(bytes, chunkBytes), ranges)) {
    parts.set(tensor.name, [...(parts.get(tensor.name) ?? []), Uint8Array.from(part)]);
  }
  return (name: string) => Uint8Array.from(Buffer.concat(parts.get(name) ?? []));
}

describe.each(FORMATS)("openTorchFile of %s", (name) => {
  const bytes = torchFixture(name);

  it("finds all tensors, with their types and shapes", async () => {
    const entries = await openTorchFile(memoryFile(bytes));
    const found = entries.map(({ name: tensor, shape, dtype }) => [tensor, dtype, shape]);
    const all = Object.entries(expected).map(([tensor, { dtype, shape }]) => [tensor, DTYPES[dtype], shape]);
    expect(new Map(found.map((entry) => [entry[0], entry]))).toEqual(new Map(all.map((entry) => [entry[0], entry])));
  });

  it.each([1, 7, 64, 10_000])("fetches their values row by row, views too, in chunks of %i bytes", async (chunk) => {
    const read = await readValues(bytes, await openTorchFile(memoryFile(bytes)), chunk);
    for (const [tensor, { dtype, values }] of Object.entries(expected)) {
      const type = DTYPES[dtype] ?? "";
      if (type === "I64") expect([...new BigInt64Array(read(tensor).buffer)].map(Number)).toEqual(values);
      else if (type === "BOOL") expect([...read(tensor)]).toEqual(values);
      else if (type === "F32" || type === "F16" || type === "BF16" || type === "F64") {
        expect([...toFloat32(type, read(tensor))], tensor).toEqual(values.map(Math.fround));
      }
    }
  });

  it("says that a file is cut off, wherever it is", async () => {
    for (let length = 0; length < bytes.byteLength; length += 13) {
      const reason = await openTorchFile(memoryFile(bytes.subarray(0, length))).catch((error: unknown) => error);
      expect(reason, `${length} bytes`).toBeInstanceOf(CheckpointError);
    }
  });

  it("throws only its own errors for damaged files, and never reads outside", async () => {
    const damage = fc.array(fc.tuple(fc.nat(bytes.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const damaged = Uint8Array.from(bytes);
        for (const [at, value] of changes) damaged[at] = value;
        await expectOwnErrors(damaged);
      }),
      { numRuns: 3000 },
    );
  });
});

/** Either entries inside the file, or one of the reader's errors. */
async function expectOwnErrors(bytes: Uint8Array): Promise<void> {
  try {
    for (const { begin, end } of await openTorchFile(memoryFile(bytes))) {
      expect(begin >= 0 && begin <= end && end <= bytes.byteLength).toBe(true);
    }
  } catch (error) {
    if (!(error instanceof UnsupportedModelError || error instanceof CheckpointError)) throw error;
  }
}

describe("openTorchFile", () => {
  it("throws only its own errors for bytes of any kind behind a known beginning", async () => {
    const starts = [[0x50, 0x4b, 0x03, 0x04], [0x80, 0x02], []];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 300 }), (start, rest) =>
        expectOwnErrors(Uint8Array.from([...start, ...rest])),
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    ["malicious.bin", /names "posix\.system" at byte \d+: .*nothing is executed/],
    ["malicious-legacy.bin", /names "posix\.system" at byte \d+: .*nothing is executed/],
    ["module.bin", /names "torch\.nn\.modules\.linear\.Linear"/],
    ["quantised.bin", /^quantised weights/],
    ["complex.bin", /^complex weights \(ComplexFloatStorage\)/],
    ["script.bin", /TorchScript archive, which holds code/],
  ])("refuses %s with the reason, and runs nothing", async (name, reason) => {
    const error: unknown = await openTorchFile(memoryFile(torchFixture(name))).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect((error as Error).message).toMatch(reason);
    expect(existsSync("pickle-was-executed")).toBe(false);
  });

  it("reads types that have no storage class of their own", async () => {
    const entries = await openTorchFile(memoryFile(torchFixture("untyped.bin")));
    expect(entries.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ["w", "F8_E4M3", [2]],
      ["u", "U16", [2]],
    ]);
    expect(entries.some(({ dtype }) => isFloat(dtype))).toBe(false);
  });

  it("reads no local header but the pickle's: torch's alignment tells where data begin", async () => {
    const file = memoryFile(torchFixture("zip.bin"));
    await openTorchFile(file);
    expect(file.reads).toBeLessThanOrEqual(4); // the first bytes, the end, byteorder, data.pkl
  });
});
