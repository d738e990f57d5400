import { answerJobs } from "./answer-jobs.ts";
import { WeightReader, type WeightsJob } from "./read-weights.ts";

/** Fill this buffer, and send it back. */
export interface FillJob {
  readonly blocks: readonly WeightsJob[];
  readonly buffer: ArrayBuffer;
  readonly channels: number;
}

const reader = new WeightReader();

answerJobs(
  ({ blocks, buffer, channels }: FillJob): ArrayBuffer => {
    reader.read(blocks, buffer, channels);
    return buffer;
  },
  (buffer) => [buffer],
);
