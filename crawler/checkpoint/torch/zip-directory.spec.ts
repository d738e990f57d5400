import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { memoryFile, torchFixture } from "../../../test/torch/memory-file.ts";
import { zipBytes, type ZipOptions } from "../../../test/torch/write-zip.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { openTorchFile } from "./open-torch-file.ts";
import { findZipDirectory, parseZipDirectory } from "./zip-directory.ts";

const original = torchFixture("zip.bin");

/** The entries that torch wrote, by name. */
async function unzip(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const { begin, end, entries } = findZipDirectory(bytes, bytes.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const files = parseZipDirectory(bytes.subarray(begin, end), entries, begin);
  return new Map(
    files.map(({ name, header, nameBytes, size }) => {
      const from = header + 30 + nameBytes + view.getUint16(header + 28, true);
      return [name, bytes.subarray(from, from + size)];
    }),
  );
}

const rezip = async (options?: ZipOptions) => zipBytes(await unzip(original), options);
const shapes = async (bytes: Uint8Array) =>
  (await openTorchFile(memoryFile(bytes))).map(({ name, dtype, shape, begin, end }) => [
    name,
    dtype,
    shape,
    end - begin,
  ]);

describe("zip archives", () => {
  it.each([
    ["without padding", {}],
    ["of zip64", { zip64: true }],
  ])("%s are read by their local headers", async (_what, options) => {
    const bytes = await rezip(options);
    expect(new Set(await shapes(bytes))).toEqual(new Set(await shapes(original)));
    const find = async (file: Uint8Array) => {
      const tensor = (await openTorchFile(memoryFile(file))).find(({ name }) => name === "linear.bias");
      return Uint8Array.from(file.subarray(tensor?.begin, tensor?.end));
    };
    expect(await find(bytes)).toEqual(await find(original));
  });

  it.each([
    ["compressed", { method: 8 }],
    ["encrypted", { flags: 1 }],
  ])("that are %s are refused, so none can unfold into more than it is", async (_what, options) => {
    const error: unknown = await openTorchFile(memoryFile(await rezip(options))).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect((error as Error).message).toMatch(/^zip entry "[^"]+" is compressed/);
  });

  it("may have a comment behind them", async () => {
    const bytes = Buffer.concat([original, Buffer.from("hello")]);
    bytes.writeUInt16LE(5, original.byteLength - 2);
    expect(await shapes(bytes)).toEqual(await shapes(original));
  });

  it.each([
    ["a storage is missing", "zip/data/1", null, /storage "1" is missing/],
    ["a storage is too short", "zip/data/1", 3, /storage "1" has 3 bytes, not 12/],
    ["data.pkl is missing", "zip/data.pkl", null, /without data\.pkl/],
  ])("say so when %s", async (_what, name, length, reason) => {
    const files = await unzip(original);
    if (length === null) files.delete(name);
    else files.set(name, new Uint8Array(length));
    await expect(openTorchFile(memoryFile(zipBytes(files)))).rejects.toThrow(reason);
  });

  it("from big-endian machines are refused", async () => {
    const files = await unzip(original);
    files.set("zip/byteorder", new TextEncoder().encode("big"));
    await expect(openTorchFile(memoryFile(zipBytes(files)))).rejects.toThrow('weights in byte order "big"');
  });

  it("never use a name as a path", async () => {
    const files = new Map([...(await unzip(original))].map(([name, bytes]) => [name.replace("zip/", "../"), bytes]));
    expect(await shapes(zipBytes(files))).toHaveLength(17);
  });

  it("with a damaged directory throw only the reader's errors", async () => {
    const { begin } = findZipDirectory(original, original.byteLength);
    const places = fc.nat(original.byteLength - 1 - begin);
    const damage = fc.array(fc.tuple(places, fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = Uint8Array.from(original);
        for (const [at, value] of changes) bytes[begin + at] = value;
        const error: unknown = await openTorchFile(memoryFile(bytes)).then(
          () => null,
          (cause: unknown) => cause,
        );
        const isOwn = error instanceof UnsupportedModelError || error instanceof CheckpointError;
        expect(error === null || isOwn, String(error)).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });
});
