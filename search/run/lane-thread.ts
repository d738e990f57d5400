import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import type ort from "onnxruntime-node";
import type { ProxyModels } from "../proxy/encode-proxy-graphs.ts";
import { MatrixEngine } from "../proxy/matrix-engine.ts";
import { getProxy } from "../proxy/proxy.ts";
import { answerJobs } from "./answer-jobs.ts";
import { probeBlockedLayout } from "./blocked-layout.ts";
import { BatchStack } from "./batch-stack.ts";
import { openFeatureStore } from "./feature-store.ts";
import { GRAPH_FILE, SIZE_FILE, sizeOf, WEIGHTS_FILE } from "./kept-graphs.ts";
import { isMoving, tensorsOf, type LaneAnswer, type LaneJob, type SessionSource } from "./lane-job.ts";
import { WeightLayouter } from "./lay-out-weights.ts";
import { openLaneSession } from "./open-lane-session.ts";
import { rangeKeyOf } from "./range-key.ts";
import { scoreFeatures, type ScoreOptions, type ScoreSetup } from "./score-features.ts";
import { tensorOf } from "./tensor-of.ts";

let scoring: ScoreOptions | null = null;
const layouter = new WeightLayouter();
const stack = new BatchStack();
const sessions = new Map<string, Promise<ort.InferenceSession>>();

function scoreOptions(setup: ScoreSetup, models: ProxyModels): ScoreOptions {
  const { home, proxy, classes, labels, itemHashes, precision } = setup;
  return {
    features: openFeatureStore(home, rangeKeyOf(itemHashes), precision),
    // one thread, whatever there are: the same features get the same score to the bit
    proxy: getProxy(proxy, new MatrixEngine({ threads: 1, models })),
    labels,
    classes,
  };
}

/** What a crash of the machine has damaged shall not be in the way of every search to come. */
async function openOrRemove(source: SessionSource): Promise<ort.InferenceSession> {
  try {
    return await openLaneSession(source);
  } catch (cause) {
    const { laidOut } = source;
    if (laidOut.length === 0) throw cause;
    for (const path of laidOut) await rm(path, { recursive: true, force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${laidOut.join(", ")} did not open (${reason}) and is removed; run again`, { cause });
  }
}

async function run({ session: id, source, batches }: Extract<LaneJob, { kind: "run" }>): Promise<LaneAnswer> {
  if (source) sessions.set(id, openOrRemove(source));
  const session = sessions.get(id);
  if (!session) throw new Error(`session ${id} is not open`);
  const stacked = stack.stack(batches);
  const feeds = Object.fromEntries(Object.entries(stacked.feeds).map(([name, data]) => [name, tensorOf(data)]));
  await (await session).run(feeds, { y: tensorOf(stacked.into) });
  stack.unstack(stacked, batches);
  return {
    kind: "run",
    buffers: tensorsOf(batches)
      .filter(isMoving)
      .map(({ buffer }) => buffer),
  };
}

/** Leaves the optimised form of a graph where lanes find it, whole or not at all. */
async function optimize({ source, to }: Extract<LaneJob, { kind: "optimize" }>): Promise<LaneAnswer> {
  const half = join(dirname(to), "tmp", randomUUID());
  await mkdir(half, { recursive: true });
  try {
    const session = await openLaneSession(
      source,
      { optimizedModelFilePath: join(half, GRAPH_FILE) },
      {
        optimized_model_external_initializers_file_name: WEIGHTS_FILE,
        optimized_model_external_initializers_min_size_in_bytes: "1024",
      },
    );
    await session.release();
    await writeFile(join(half, SIZE_FILE), String(sizeOf(join(half, WEIGHTS_FILE))));
    await rm(to, { recursive: true, force: true });
    await rename(half, to);
  } finally {
    await rm(half, { recursive: true, force: true });
  }
  return { kind: "optimize" };
}

answerJobs<LaneJob, LaneAnswer>(
  async (job) => {
    switch (job.kind) {
      case "setUp":
        scoring = scoreOptions(job.setup, job.models);
        return { kind: "setUp" };
      case "probe":
        return { kind: "probe", channels: await probeBlockedLayout(job.probe) };
      case "run":
        return run(job);
      case "optimize":
        return optimize(job);
      case "layOut":
        layouter.layOut(job.block);
        return { kind: "layOut" };
      case "close": {
        const session = sessions.get(job.session);
        sessions.delete(job.session);
        await (await session)?.release();
        return { kind: "close" };
      }
      case "score":
        if (!scoring) throw new Error("a lane is asked for a score before it was set up");
        return { kind: "score", scores: await scoreFeatures(job.jobs, scoring) };
    }
  },
  (answer) => (answer.kind === "run" ? answer.buffers : []),
);
