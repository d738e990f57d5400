import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { encodeOnnxModel } from "../../crawler/export/onnx-model.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { sessionOn } from "../../search/device/device.ts";
import { compareFused, exportEntry, type DeviceComparison } from "./compare-entry.ts";
import { loadGoldenIndex } from "./golden-index.ts";
import type { CompareRequest } from "./compare-on.ts";

/** The entry of the process that `compare-on.ts` starts. */
export type FromCompare =
  /** The device works at all. */
  | { readonly kind: "ready" }
  | { readonly kind: "compared"; readonly id: string; readonly comparison: DeviceComparison }
  | { readonly kind: "failed"; readonly id: string; readonly reason: string };

const send = (message: FromCompare): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, undefined, {}, () => resolve());
  });

process.on("message", ({ device, ids }: CompareRequest) => void compare({ device, ids }));
process.on("disconnect", () => process.exit(1));

async function compare({ device, ids }: CompareRequest): Promise<never> {
  const home = await mkdtemp(join(tmpdir(), "alsatian-compare-"));
  try {
    const session = await ort.InferenceSession.create(DOUBLE, { ...sessionOn(device), logSeverityLevel: 4 });
    await session.release();
    await send({ kind: "ready" });
    const store = openBlockStore(home);
    for (const entry of (await loadGoldenIndex()).filter(({ id }) => ids.includes(id))) {
      try {
        const exported = await exportEntry(entry, store);
        if (exported instanceof Error) throw exported;
        const comparison = await compareFused(entry, store, exported, device);
        await send({ kind: "compared", id: entry.id, comparison });
      } catch (cause) {
        await send({ kind: "failed", id: entry.id, reason: String(cause) });
      }
    }
  } catch (cause) {
    process.stderr.write(`${String(cause)}\n`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  process.exit(0);
}

/** y = x + x: a node that a device computes. */
const DOUBLE = encodeOnnxModel({
  graphName: "probe",
  inputs: [{ name: "x", type: "float", dims: [1] }],
  outputs: [{ name: "y", type: "float", dims: [1] }],
  nodes: [{ opType: "Add", name: "y", inputs: ["x", "x"], outputs: ["y"], attributes: {} }],
  initializers: [],
});
