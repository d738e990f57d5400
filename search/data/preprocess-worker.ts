import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import { preprocessItem, type Job } from "./preprocess-item.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";

// One thread of a preprocessing pool: takes jobs, gives outcomes. The pool's threads are the parallelism.
sharp.cache(false);
sharp.concurrency(1);

const { preprocessing }: { preprocessing: Preprocessing | undefined } = workerData;

parentPort?.on("message", (job: Job) => {
  void preprocessItem(job, preprocessing).then((outcome) => {
    parentPort?.postMessage(outcome, "input" in outcome ? [outcome.input.buffer] : []);
  });
});
