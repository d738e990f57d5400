import type { ProxyModels } from "../proxy/encode-proxy-graphs.ts";
import { isMoving, tensorsOf, type LaneAnswer, type LaneJob, type SessionSource } from "./lane-job.ts";
import type { LayoutJob } from "./lay-out-weights.ts";
import type { FeatureScore } from "./runner.ts";
import { ScoreQueue, type ScoreGroup } from "./score-queue.ts";
import type { ScoreJob, ScoreSetup } from "./score-features.ts";
import { Thread } from "./thread.ts";

interface Lane {
  readonly thread: Thread<LaneJob, LaneAnswer>;
  /** Sessions that it has open. */
  readonly sessions: Set<string>;
  /** Whether it has trained a proxy: the first ones take ten times as long, for nothing is compiled yet. */
  hasScored: boolean;
  /** What it was told that proxies are trained with. */
  setup: ScoreSetup | null;
  /** What it works on; null when it is idle. */
  work: LaneWork | null;
}

/** Batches that are to go through a session together; their buffers move to the lane and come back. */
export interface LaneRun extends Omit<Extract<LaneJob, { kind: "run" }>, "kind" | "source"> {
  readonly source: SessionSource;
}

/** What a lane's time goes into. */
export type LaneWork = "load" | "inference" | "proxy";

/** Work that waits for a lane. */
interface Waiter {
  readonly kind: LaneWork;
  readonly take: (lane: Lane) => void;
}

/**
 * Threads that each work on one thing at a time with one core: a batch, a graph to be optimised, a proxy to be trained.
 * Jobs wait for the lane that is idle first, so that whatever is there to do keeps all cores at work; no operator waits for
 * another thread. Proxies go to as few lanes as keep up with them, several small ones together.
 */
export class Lanes {
  readonly count: number;
  readonly #lanes: readonly Lane[];
  readonly #first: Lane;
  readonly #idle: Set<Lane>;
  readonly #waiting: Waiter[] = [];
  readonly #scores = new ScoreQueue();
  #setup: ScoreSetup | null = null;
  #models: Promise<ProxyModels> | null = null;
  #channels: Promise<number | null> | null = null;
  /** Of all lanes together. */
  readonly seconds: Record<LaneWork, number> = { load: 0, inference: 0, proxy: 0 };

  constructor(count: number) {
    this.count = count;
    this.#lanes = Array.from({ length: count }, () => ({
      thread: new Thread<LaneJob, LaneAnswer>(new URL("./lane-thread.js", import.meta.url)),
      sessions: new Set<string>(),
      hasScored: false,
      setup: null,
      work: null,
    }));
    this.#idle = new Set(this.#lanes);
    const [first] = this.#lanes;
    if (!first) throw new RangeError("a search has no lane to run on");
    this.#first = first;
  }

  /** What proxies are trained with, from now on. A lane is told when it trains the first one: writing the graphs takes 20 ms. */
  setUp(setup: ScoreSetup): void {
    this.#setup = setup;
  }

  /** @see probeBlockedLayout */
  blockedChannels(): Promise<number | null> {
    return (this.#channels ??= this.#probe());
  }

  async #probe(): Promise<number | null> {
    const { layoutProbe } = await import("./layout-probe.ts");
    return answerTo("probe", await this.#first.thread.ask({ kind: "probe", probe: layoutProbe() })).channels;
  }

  /** @param prepare says what to run, once a lane is idle; what it takes, `LaneRun`'s buffers, is there again behind */
  run(prepare: () => LaneRun): Promise<LaneRun> {
    return this.#work("inference", async ({ thread, sessions }) => {
      const run = prepare();
      const { source, ...rest } = run;
      const tensors = tensorsOf(run.batches).filter(isMoving);
      const job = { kind: "run" as const, ...rest, ...(!sessions.has(run.session) && { source }) };
      sessions.add(run.session);
      const answer = await thread.ask(
        job,
        tensors.map(({ buffer }) => buffer),
      );
      const { buffers } = answerTo("run", answer);
      tensors.forEach((tensor, index) => {
        const buffer = buffers[index];
        if (!buffer) throw new Error("a lane kept a buffer");
        tensor.buffer = buffer;
      });
      return run;
    });
  }

  /** Writes what onnxruntime makes of a graph and its weights into a folder. */
  async optimize(source: SessionSource, to: string): Promise<void> {
    await this.#work("load", ({ thread }) => thread.ask({ kind: "optimize", source, to }));
  }

  /** Writes the weights of a block as this machine's convolutions read them. */
  async layOut(block: LayoutJob): Promise<void> {
    await this.#work("load", ({ thread }) => thread.ask({ kind: "layOut", block }));
  }

  score(job: ScoreJob): Promise<FeatureScore> {
    const score = this.#scores.add(job);
    this.#assign();
    return score;
  }

  /** Closes a session wherever it is open; nothing that it still has to run may be under way. */
  async closeSession(session: string): Promise<void> {
    const open = this.#lanes.filter(({ sessions }) => sessions.delete(session));
    await Promise.all(open.map(({ thread }) => thread.ask({ kind: "close", session })));
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ thread }) => thread.close()));
  }

  async #work<T>(kind: LaneWork, work: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = await new Promise<Lane>((take) => {
      this.#waiting.push({ kind, take });
      this.#assign();
    });
    return this.#timed(lane, kind, () => work(lane));
  }

  async #timed<T>(lane: Lane, kind: LaneWork, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.seconds[kind] += (performance.now() - start) / 1000;
      lane.work = null;
      this.#idle.add(lane);
      this.#assign();
    }
  }

  /** Gives idle lanes what waits. */
  #assign(): void {
    // those that train proxies last: they are left for proxies
    const idle = [...this.#idle].sort((a, b) => Number(a.hasScored) - Number(b.hasScored));
    for (const [index, lane] of idle.entries()) {
      const group = this.#scores.take({
        isWarm: lane.hasScored,
        warmLanes: this.#lanes.filter(({ hasScored }) => hasScored).length,
        isNeeded: this.#waiting.length > 0,
        isEnd: this.#lanes.every(({ work }) => work === null || work === "proxy"),
        idle: idle.length - index,
        idleWarm: idle.slice(index).filter(({ hasScored }) => hasScored).length,
      });
      const next = group ? { kind: "proxy" as const, take: () => this.#train(lane, group) } : this.#waiting.shift();
      if (!next) continue;
      this.#idle.delete(lane);
      lane.work = next.kind;
      next.take(lane);
    }
  }

  #train(lane: Lane, group: ScoreGroup): void {
    lane.hasScored = true;
    void this.#timed(lane, "proxy", () =>
      group.work(async (jobs) => {
        await this.#tell(lane);
        return answerTo("score", await lane.thread.ask({ kind: "score", jobs })).scores;
      }),
    );
  }

  async #tell(lane: Lane): Promise<void> {
    const setup = this.#setup;
    if (!setup) throw new Error("proxies are to be trained before it was said with what");
    if (lane.setup === setup) return;
    const models = await (this.#models ??= encodeGraphs());
    void lane.thread.ask({ kind: "setUp", setup, models });
    lane.setup = setup;
  }
}

const encodeGraphs = async (): Promise<ProxyModels> =>
  (await import("../proxy/encode-proxy-graphs.ts")).encodeProxyGraphs();

/** @throws Error for an answer to something else */
function answerTo<Kind extends LaneAnswer["kind"]>(
  kind: Kind,
  answer: LaneAnswer,
): Extract<LaneAnswer, { kind: Kind }> {
  const isAnswer = (given: LaneAnswer): given is Extract<LaneAnswer, { kind: Kind }> => given.kind === kind;
  if (!isAnswer(answer)) throw new Error(`a lane answered ${answer.kind} to ${kind}`);
  return answer;
}
