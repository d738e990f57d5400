import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BlockGraph } from "../../crawler/export/graph.ts";
import { openBlockStore } from "./block-store.ts";

const GRAPH: BlockGraph = { inputs: ["x"], slots: [[4], [4]], nodes: [], output: 0 };
const VALUES = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

let home: string;
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "alsatian-blocks-"))));
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(home, { recursive: true, force: true });
});

/** Lets the next write to any file fail, as on a disk that is full. */
async function failNextWrite(): Promise<void> {
  const handle = await open(join(home, "any"), "w");
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  vi.spyOn(prototype, "write").mockRejectedValueOnce(full);
}

describe("a block whose weights could not all be written", () => {
  it("is not put into the store, though the rest of it was and its hashes are right", async () => {
    const store = openBlockStore(home);
    const draft = await store.draft(GRAPH);
    await failNextWrite();
    await expect(draft.write(0, 0, VALUES)).rejects.toThrow("ENOSPC");
    await draft.write(1, 0, VALUES); // there is room again
    await expect(draft.commit("unit", { dims: [4] })).rejects.toThrow("ENOSPC");
    await draft.discard();
    for await (const { blockId } of store.list()) expect.unreachable(`the store has ${blockId}`);
  });
});
