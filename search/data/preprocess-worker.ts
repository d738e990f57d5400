import { parentPort, workerData } from "node:worker_threads";
import { preprocessItem, type Job } from "./preprocess-item.ts";
import type { Preprocessing } from "../../crawler/preprocessing/preprocessing.ts";

// One thread of a preprocessing pool: takes jobs, gives outcomes, and ends when it is told to.
const { preprocessing }: { preprocessing: Preprocessing | undefined } = workerData;

parentPort?.on("message", (job: Job | "end") => {
  if (job === "end") process.exit();
  void preprocessItem(job, preprocessing).then((outcome) => {
    parentPort?.postMessage(outcome, "input" in outcome ? [outcome.input.buffer] : []);
  });
});
