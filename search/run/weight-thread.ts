import { answerJobs } from "./answer-jobs.ts";
import { WeightReader, type SlotPlacement, type WeightsJob } from "./read-weights.ts";

/** Fill this buffer, and send it back. */
export interface FillJob {
  readonly blocks: readonly WeightsJob[];
  /** Those that lie in the buffer. */
  readonly slots: readonly SlotPlacement[];
  readonly buffer: ArrayBuffer;
  readonly channels: number;
}

const reader = new WeightReader();

answerJobs(
  ({ blocks, slots, buffer, channels }: FillJob): ArrayBuffer => {
    reader.read(blocks, slots, buffer, channels);
    return buffer;
  },
  (buffer) => [buffer],
);
