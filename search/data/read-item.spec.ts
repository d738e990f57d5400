import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readItem, readItemBriefly } from "./read-item.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "read-item-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const content = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, at) => (at * 7) % 251);

it.each([0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 300_000])(
  "reads a file of %i bytes, either way",
  async (size) => {
    const path = join(folder, String(size));
    await writeFile(path, content(size));
    expect(readItem({ path })).toEqual(content(size));
    expect(Uint8Array.from(readItemBriefly({ path }))).toEqual(content(size));
  },
);

it("reads a range of a file, either way", async () => {
  const path = join(folder, "packed");
  await writeFile(path, content(200_000));
  for (const range of [
    { begin: 0, end: 10 },
    { begin: 100_000, end: 100_001 },
    { begin: 5, end: 199_990 },
  ]) {
    const expected = content(200_000).subarray(range.begin, range.end);
    expect(readItem({ path, range })).toEqual(expected);
    expect(Uint8Array.from(readItemBriefly({ path, range }))).toEqual(expected);
  }
  const range = { begin: 199_999, end: 200_001 };
  for (const read of [readItem, readItemBriefly]) {
    expect(() => read({ path, range })).toThrow("packed ends at 200000, before 200001");
    expect(() => read({ path: join(folder, "none") })).toThrow("ENOENT");
  }
});

it("keeps what it reads, but for a brief reading", async () => {
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  await writeFile(first, content(40));
  await writeFile(second, content(80).reverse());
  const [kept, brief] = [readItem({ path: first }), readItemBriefly({ path: first })];
  readItemBriefly({ path: second });
  expect(kept).toEqual(content(40));
  expect(brief).not.toEqual(content(40));
});
