import ort from "onnxruntime-node";
import type { SessionSource } from "./lane-job.ts";

/**
 * Opens a session as lanes run it: in one thread, and with weights that stay where their file is mapped into memory.
 * Packing them would be a copy in every lane. Values take memory one by one: in one piece, as a pattern of the first run
 * says, those of a batch take a third more, and no less time.
 */
export const openLaneSession = (
  { model, folder, isOptimized }: Omit<SessionSource, "laidOut">,
  options: ort.InferenceSession.SessionOptions = {},
  settings: Readonly<Record<string, string>> = {},
): Promise<ort.InferenceSession> =>
  ort.InferenceSession.create(model, {
    ...options,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableCpuMemArena: false,
    enableMemPattern: false,
    logSeverityLevel: 3,
    ...(isOptimized && { graphOptimizationLevel: "disabled" as const }),
    extra: {
      session: { disable_prepacking: "1", model_external_initializers_file_folder_path: folder, ...settings },
    },
  });
