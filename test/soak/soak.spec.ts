import { describe, expect, it } from "vitest";
import { soak } from "./soak.ts";

const SEED = Number(process.env.ALSATIAN_SOAK_SEED ?? 20);

describe("a crawl that is killed and served badly", () => {
  it("ends with the catalog and the store of one without faults", async () => {
    const log: string[] = [`seed ${SEED}: ALSATIAN_SOAK_SEED=${SEED} runs it again`];
    const report = await soak({
      seed: SEED,
      kills: 4,
      killsPerHome: 2,
      fullDisk: false,
      everyFault: false,
      log: (line) => void log.push(line),
    });
    expect(report.problems, log.join("\n")).toEqual([]);
    expect(report.homes).toBe(2);
    expect(report.runs.killed).toBe(4);
    expect(report.faults.total).toBeGreaterThan(0);
  });
});
