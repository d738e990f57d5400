import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../crawler/checkpoint/open-checkpoint.ts";
import { readPart } from "../crawler/checkpoint/read-part.ts";
import { sha256Of } from "../crawler/checkpoint/part-hashes.ts";
import type { Repository } from "../crawler/repository.ts";
import { torchFixture } from "../test/torch/memory-file.ts";
import { checkWholeFiles } from "./check-whole-files.ts";

const path = "pytorch_model.bin";
const file = torchFixture("zip.bin");
const size = file.byteLength;
const listed = { path, size, sha256: sha256Of(file), etag: null, xetHash: null };
/** Tensors that are read apart, as they lie in the bytes of others. */
const apart = { begin: size - 200, end: size - 100 };

/** A torch file of which one byte is another one, where it is not read whole. */
async function openSpoilt(at: number | null) {
  const repository: Repository = {
    id: "acme/test",
    revision: "0".repeat(40),
    listFiles: () => Promise.resolve([listed]),
    readFile: () => Promise.reject(new Error("no other file")),
    async *readRange(_path, begin, end) {
      const bytes = file.slice(begin, end);
      const isWhole = begin === 0 && end === size;
      const byte = bytes[(at ?? 0) - begin];
      if (at !== null && byte !== undefined && !isWhole) bytes[at - begin] = byte ^ 1;
      for (let from = 0; from < bytes.byteLength; from += 64)
        yield await Promise.resolve(bytes.subarray(from, from + 64));
    },
  };
  const checkpoint = await openCheckpoint(repository, [listed], { includePickle: true });
  const ranges = [{ begin: 0, end: size }, apart].map((range) => ({ ...range, file: path, tensors: [] }));
  const checked = checkWholeFiles(
    { readRange: (...args) => repository.readRange(...args) },
    { checkpoint, ranges, whole: new Set([path]), sha256: new Map([[path, listed.sha256]]) },
  );
  const read = (begin: number, end: number) => readPart({ ...repository, ...checked }, path, begin, end);
  return { checkpoint, read };
}

describe("checkWholeFiles", () => {
  it("passes on a torch file whose header, read apart, was the file's, and what is read of it again", async () => {
    const { read } = await openSpoilt(null);
    expect(await read(0, size)).toEqual(Buffer.from(file));
    expect(await read(apart.begin, apart.end)).toEqual(Buffer.from(file.slice(apart.begin, apart.end)));
  });

  it("refuses a torch file whose header was read as something else", async () => {
    const { checkpoint, read } = await openSpoilt(Buffer.from(file).indexOf("linear.weight"));
    expect([...checkpoint.tensors.keys()]).toContain("minear.weight"); // nothing else told that it is wrong
    await expect(read(0, size)).rejects.toThrow("read apart");
  });

  it("refuses tensors that were read again as other bytes than the file has", async () => {
    const { read } = await openSpoilt(apart.begin + 50);
    expect(await read(0, size)).toEqual(Buffer.from(file));
    await expect(read(apart.begin, apart.end)).rejects.toThrow("read apart");
  });
});
