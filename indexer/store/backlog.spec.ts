import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Backlog } from "./backlog.ts";

describe("Backlog", () => {
  it("never has more under way than its bound, but for one piece that is larger", async () => {
    const backlog = new Backlog(10);
    let now = 0;
    const peaks: number[] = [];
    for (const size of [4, 4, 4, 30, 1, 9, 1]) {
      await backlog.add(size, async () => {
        now += size;
        peaks.push(now);
        await setImmediate();
        now -= size;
      });
    }
    await backlog.finish();
    expect(peaks).toHaveLength(7);
    expect(peaks.filter((peak) => peak > 10)).toEqual([30]);
    expect(now).toBe(0);
  });

  it("throws the first failure at whoever comes next, and starts nothing more", async () => {
    const backlog = new Backlog(1);
    await backlog.add(1, () => Promise.reject(new Error("disk full")));
    let isStarted = false;
    const work = () => {
      isStarted = true;
      return Promise.resolve();
    };
    await expect(backlog.add(1, work)).rejects.toThrow("disk full");
    await expect(backlog.finish()).rejects.toThrow("disk full");
    expect(isStarted).toBe(false);
    await backlog.settle();
  });
});
