import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { getArchitecture } from "../../crawler/export/registry.ts";
import type { Device } from "../../search/device/device.ts";
import type { DeviceComparison, Entry } from "./compare-entry.ts";
import { compareOn } from "./compare-on.ts";
import { loadGoldenIndex } from "./golden-index.ts";

/**
 * Exported models against PyTorch on graphics cards, the feature and the output of each block, within the CPU's tolerance. A
 * software adapter takes seconds to compile each shader, so one reference an architecture is compared, that of the fewest
 * blocks; ALSATIAN_GOLDEN_DEVICES=all compares every one.
 */
const DEVICES = ["webgpu", "cuda"] as const satisfies readonly Device[];
/** How a device can be had. */
const ADVICE: Readonly<Record<(typeof DEVICES)[number], string>> = {
  webgpu: "scripts/get-swiftshader.sh gets an adapter for WebGPU",
  cuda: "docs/devices.md says what CUDA needs",
};
/** Of one process: what a driver leaks, and what is lost when it aborts, stays small. */
const REFERENCES_A_PROCESS = 4;
/** That a software adapter takes for one reference on a busy machine. */
const TIMEOUT_MS = 240_000;

const entries = await loadGoldenIndex();
const chosen = process.env["ALSATIAN_GOLDEN_DEVICES"] === "all" ? entries : await choose(entries);

/** The entry of the fewest blocks of each architecture. */
async function choose(all: readonly Entry[]): Promise<Entry[]> {
  const found = new Map<string, Entry>();
  for (const entry of all.toSorted((a, b) => a.hidden.length - b.hidden.length)) {
    const config: unknown = JSON.parse(await readFile(join(entry.folder, "hub", entry.id, "config.json"), "utf8"));
    const { name } = getArchitecture(config);
    if (!found.has(name)) found.set(name, entry);
  }
  return [...found.values()];
}

/** Compares all of them, a few in each process; each result can be waited for. */
function start(device: Device, all: readonly Entry[]): ReadonlyMap<string, Promise<DeviceComparison | Error>> {
  const settle = new Map<string, (result: DeviceComparison | Error) => void>();
  const results = new Map(
    all.map(({ id }) => [id, new Promise<DeviceComparison | Error>((resolve) => settle.set(id, resolve))] as const),
  );
  const run = async (): Promise<void> => {
    for (let begin = 0; begin < all.length; begin += REFERENCES_A_PROCESS) {
      const ids = all.slice(begin, begin + REFERENCES_A_PROCESS).map(({ id }) => id);
      await compareOn({ device, ids }, (id, result) => settle.get(id)?.(result), TIMEOUT_MS * ids.length);
    }
  };
  void run();
  return results;
}

for (const device of DEVICES) {
  const missing = await compareOn({ device, ids: [] }, () => undefined, TIMEOUT_MS);
  if (missing !== null) it.skip(`skipped: ${device}: ${missing}; ${ADVICE[device]}`);
  else compareAll(device);
}

function compareAll(device: Device): void {
  const results = start(device, chosen);
  describe.each(chosen.map(({ id }) => [id] as const))(`%s on ${device}`, (id) => {
    it("equals PyTorch, and leaves nothing to the CPU but what is listed", { timeout: TIMEOUT_MS }, async () => {
      const comparison = await results.get(id);
      if (!comparison) throw new Error(`${id} was not compared`);
      if (comparison instanceof Error) throw comparison;
      const { blocks, boundaries, features } = comparison;
      expect(blocks).toHaveLength(boundaries);
      for (const { name, error } of [...blocks, ...features]) expect(error, name).toBeLessThanOrEqual(1);
    });
  });
}
