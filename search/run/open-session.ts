import ort from "onnxruntime-node";
import type { Precision } from "../../crawler/export/precision.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { storedChain } from "../../indexer/store/stored-chain.ts";
import type { Segment } from "../plan/step.ts";
import { sessionOn, type Device } from "../device/device.ts";
import type { RootInputs } from "./root-inputs.ts";
import { isConvolutional, writeSegment } from "./segment-graph.ts";

export interface SessionOptions {
  readonly store: BlockStore;
  readonly roots: ReadonlyMap<string, RootInputs>;
  readonly threads: number;
  readonly device: Device;
  readonly precision: Precision;
}

/** Opens a session of this thread for a segment, on the device or on the CPU as the segment says. */
export async function openSession(segment: Segment, options: SessionOptions): Promise<ort.InferenceSession> {
  const { store, roots, threads, device, precision } = options;
  const root = roots.get(segment.root);
  if (!root) throw new Error(`no preprocessed items for ${segment.root}`);
  const chain = await storedChain(store, segment.blocks);
  const isOnDevice = segment.on === "device";
  return ort.InferenceSession.create(writeSegment(chain, segment, root, { precision }), {
    ...(isOnDevice && sessionOn(device, segment.stays)),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableCpuMemArena: false,
    logSeverityLevel: 3,
    extra: {
      session: {
        intra_op: { allow_spinning: "0" },
        model_external_initializers_file_folder_path: store.folder,
        ...(!isOnDevice && isConvolutional(chain) && { disable_prepacking: "1" }),
        // what the device cannot run shall be known, not run on the CPU operator by operator
        ...(isOnDevice && { disable_cpu_ep_fallback: "1" }),
      },
    },
  });
}
