import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listAmdMemory } from "./list-amd-memory.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "alsatian-drm-"));
  const files = {
    "card0/device/mem_info_vram_total": "536870912\n",
    "card0/device/mem_info_vram_used": "36870912\n",
    "card1/device/mem_info_vram_total": "17163091968\n",
    "card1/device/mem_info_vram_used": "163091968\n",
    "card2/device/vendor": "0x8086\n",
    "card3/device/mem_info_vram_total": "lots\n",
    "card3/device/mem_info_vram_used": "1\n",
    "card1-DP-1/device/mem_info_vram_total": "5\n",
    "card1-DP-1/device/mem_info_vram_used": "1\n",
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("listAmdMemory", () => {
  it("reads what each card of AMD's has, most first, and leaves out all else", async () => {
    expect(await listAmdMemory(folder)).toEqual([
      { totalBytes: 17163091968, freeBytes: 17000000000 },
      { totalBytes: 536870912, freeBytes: 500000000 },
    ]);
  });

  it("finds none where the kernel shows no cards", async () => {
    expect(await listAmdMemory(join(folder, "nowhere"))).toEqual([]);
  });
});
