import { describe, expect, it, vi } from "vitest";
import type { FeatureScore } from "./runner.ts";
import { ScoreQueue, type Scorer } from "./score-queue.ts";
import type { ScoreJob } from "./score-features.ts";

const job = (feature: string, items: number): ScoreJob => ({
  feature,
  models: [feature],
  train: [{ begin: 0, end: items }],
  test: { begin: items, end: items + 10 },
});
const scoreOf = ({ feature, models }: ScoreJob): FeatureScore => ({ feature, models, score: feature.length });
/** One that trains proxies and nothing else. */
const free: Scorer = { isWarm: true, warmLanes: 1, isNeeded: false, isEnd: false, idle: 1, idleWarm: 1 };

function queueOf(count: number, items: number): { queue: ScoreQueue; scores: Promise<FeatureScore>[] } {
  const queue = new ScoreQueue();
  const scores = Array.from({ length: count }, (_, index) => queue.add(job("f".repeat(index + 1), items)));
  return { queue, scores };
}

describe("ScoreQueue", () => {
  it("has nothing for anybody when nothing waits", () => {
    expect(new ScoreQueue().take(free)).toBeNull();
  });

  it("gives a lane that has nothing else to do what there is, up to so many that are worth it", () => {
    expect(queueOf(3, 20).queue.take(free)?.jobs).toHaveLength(3);
    expect(queueOf(40, 20).queue.take(free)?.jobs).toHaveLength(16);
    expect(queueOf(40, 100).queue.take(free)?.jobs).toHaveLength(6);
    expect(queueOf(40, 300).queue.take(free)?.jobs).toHaveLength(1);
  });

  it("lets a lane that is needed elsewhere go on until there are enough", () => {
    expect(queueOf(15, 20).queue.take({ ...free, isNeeded: true })).toBeNull();
    expect(queueOf(16, 20).queue.take({ ...free, isNeeded: true })?.jobs).toHaveLength(16);
    expect(queueOf(1, 300).queue.take({ ...free, isNeeded: true })?.jobs).toHaveLength(1);
  });

  it("keeps apart what is about other items", () => {
    const queue = new ScoreQueue();
    const first = job("a", 20);
    for (const one of [first, { ...job("b", 20), train: [...first.train] }, job("c", 21), job("d", 20)]) {
      void queue.add(one);
    }
    const features = [1, 2, 3].map(() => queue.take(free)?.jobs.map(({ feature }) => feature));
    expect(features).toEqual([["a", "b"], ["c"], ["d"]]);
  });

  it("has one lane more help where the others cannot keep up, or all that are warm at the end", () => {
    const cold = { ...free, isWarm: false, isNeeded: true };
    expect(queueOf(63, 20).queue.take(cold)).toBeNull();
    expect(queueOf(64, 20).queue.take(cold)?.jobs).toHaveLength(16);
    const end = { ...free, isEnd: true, warmLanes: 2, idle: 2, idleWarm: 2 };
    expect(queueOf(7, 20).queue.take(end)?.jobs).toHaveLength(4);
    expect(queueOf(7, 20).queue.take({ ...end, idleWarm: 1, warmLanes: 1 })?.jobs).toHaveLength(7);
    expect(queueOf(7, 20).queue.take({ ...cold, isNeeded: false, isEnd: true })).toBeNull();
  });

  it("has a lane begin at once where none has trained any, whatever else there is to do", () => {
    const cold = { isWarm: false, warmLanes: 0, isNeeded: true, isEnd: false, idle: 2, idleWarm: 0 };
    expect(queueOf(3, 20).queue.take(cold)?.jobs).toHaveLength(3);
    expect(queueOf(1, 20).queue.take({ ...cold, isNeeded: false })?.jobs).toHaveLength(1);
  });

  it("tells each who waits its own score", async () => {
    const { queue, scores } = queueOf(3, 20);
    await queue.take(free)?.work(async (jobs) => jobs.map(scoreOf));
    expect((await Promise.all(scores)).map(({ score }) => score)).toEqual([1, 2, 3]);
  });

  it("tells all of a group why there is no score", async () => {
    const { queue, scores } = queueOf(2, 20);
    const failed = scores.map((score) => expect(score).rejects.toThrow("no memory"));
    await queue.take(free)?.work(() => Promise.reject(new Error("no memory")));
    await Promise.all(failed);
  });

  it("does not wait for a lane that is cold when what is left takes longer", async () => {
    const { queue, scores } = queueOf(1, 300);
    await queue.take(free)?.work(async (jobs) => {
      await new Promise((resolve) => setTimeout(resolve, 80));
      return jobs.map(scoreOf);
    });
    await Promise.all(scores);
    const cold = { isWarm: false, warmLanes: 1, isNeeded: false, isEnd: true, idle: 1, idleWarm: 0 };
    void queue.add(job("a", 300));
    expect(queue.take(cold)).toBeNull();
    void queue.add(job("b", 300));
    expect(queue.take(cold)?.jobs).toHaveLength(1);
  });

  it("does not take a lane's first proxies, which take longer, for what others will take", async () => {
    const { queue, scores } = queueOf(1, 300);
    const now = vi.spyOn(performance, "now").mockReturnValueOnce(0).mockReturnValueOnce(60);
    await queue.take({ ...free, isWarm: false, warmLanes: 0 })?.work(async (jobs) => jobs.map(scoreOf));
    now.mockRestore();
    await Promise.all(scores);
    for (const name of ["a", "b"]) void queue.add(job(name, 300));
    const end = { warmLanes: 1, isNeeded: false, isEnd: true, idle: 2, idleWarm: 1 };
    expect(queue.take({ ...end, isWarm: false })).toBeNull();
    expect(queue.take({ ...end, isWarm: true })?.jobs).toHaveLength(1);
  });
});
