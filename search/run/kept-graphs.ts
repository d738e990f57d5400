import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import type { SessionSource } from "./lane-job.ts";

/** The files of a kept graph. */
export const GRAPH_FILE = "graph.onnx";
export const WEIGHTS_FILE = "weights.bin";
/** How large the weights are: after a crash of the machine they may be cut short. */
export const SIZE_FILE = "size";

/** Bytes of a file; 0 where there is none. */
export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/**
 * Where the optimised form of a graph is kept: `<home>/cache/graphs/<key>`. onnxruntime lays out weights of convolutions
 * for the processor; kept, they are mapped into memory by every thread that reads them and never laid out again. The key
 * names the graph, its weights' content ids, the library and the processor.
 */
export function graphFolder(home: string, model: Uint8Array): string {
  const key = createHash("sha256")
    .update(`${runtimeVersion()} ${process.arch} ${cpus()[0]?.model}\n`)
    .update(model)
    .digest("hex");
  return join(home, "cache", "graphs", key);
}

/** Of onnxruntime, which is not loaded to be asked: it takes a while, and other threads have it. */
const runtimeVersion = (): string =>
  (createRequire(import.meta.url)("onnxruntime-node/package.json") as { readonly version: string }).version;

/** The optimised form in a folder; null when it is not there, or not whole. */
export function openKeptGraph(folder: string): SessionSource | null {
  try {
    const model = readFileSync(join(folder, GRAPH_FILE));
    if (readFileSync(join(folder, SIZE_FILE), "latin1") !== String(sizeOf(join(folder, WEIGHTS_FILE)))) return null;
    return { model, folder, isOptimized: true, laidOut: [folder] };
  } catch {
    return null;
  }
}
