import { describe, expect, it } from "vitest";
import { candidateOf } from "../test/plan/tree-fixtures.ts";
import { fallBack, runsOnDevice, type Attempt } from "./fall-back.ts";
import { DEFAULT_SPEEDS } from "./plan/speeds.ts";
import type { Segment } from "./plan/step.ts";
import type { RunFailure } from "./run/run-failure.ts";

const { blocks, root } = candidateOf("a", "xyz");
const segment = (on: Segment["on"], part: Segment["blocks"] = blocks.slice(0, 2)): Segment => ({
  ...{ id: "s", blocks: part, root: root.key, isFirst: true, input: root.info, output: root.info },
  ...{ weightBytes: 1, on, stays: false },
});
const attempt: Attempt = {
  ...{ device: "webgpu", batchSize: 32, threads: 2, deviceBudgetBytes: 1000 },
  ...{ onCpu: new Set(), shrunk: new Set(), loadAhead: 0, speeds: DEFAULT_SPEEDS },
};
const failure = (kind: RunFailure["kind"], of: Segment | null) => ({ kind, segment: of });

describe("fallBack", () => {
  it("tries a failed step in smaller batches, then on the CPU, and leaves the others where they are", () => {
    for (const kind of ["ended", "hung", "error"] as const) {
      const smaller = fallBack(attempt, failure(kind, segment("device")));
      expect(smaller?.attempt).toMatchObject({ device: "webgpu", batchSize: 16, deviceBudgetBytes: 500 });
      const onCpu = fallBack(smaller?.attempt ?? attempt, failure(kind, segment("device")));
      expect(onCpu?.attempt).toMatchObject({ device: "webgpu", batchSize: 16 });
      expect(blocks.map((block) => runsOnDevice(onCpu?.attempt ?? attempt, block))).toEqual([false, false, true, true]);
    }
  });

  it("does not try what the device has no operator for in smaller batches", () => {
    const next = fallBack(attempt, failure("unsupported", segment("device")));
    expect(next?.attempt.batchSize).toBe(32);
    expect(runsOnDevice(next?.attempt ?? attempt, blocks[0] ?? { graphHash: "" })).toBe(false);
  });

  it("does without a device that fails at everything", () => {
    let next: Attempt = attempt;
    let tries = 0;
    for (; next.device !== "cpu" && tries < 20; tries++) {
      const part = [
        { ...(blocks[0] ?? { graphHash: "" }), graphHash: `graph ${Math.floor(tries / 2)}` },
      ] as Segment["blocks"];
      next = fallBack(next, failure("hung", segment("device", part)))?.attempt ?? attempt;
    }
    expect(next.device).toBe("cpu");
    expect(tries).toBeLessThan(20);
    expect(fallBack({ ...attempt, batchSize: 1 }, failure("ended", null))?.attempt.device).toBe("cpu");
  });

  it("tries a process that ended on the CPU once more, in smaller batches", () => {
    const cpu: Attempt = { ...attempt, device: "cpu" };
    const smaller = fallBack(cpu, failure("ended", segment("host")));
    expect(smaller?.attempt.batchSize).toBe(16);
    expect(fallBack(smaller?.attempt ?? cpu, failure("ended", segment("host")))).toBeNull();
    expect(fallBack(cpu, failure("error", segment("host")))).toBeNull();
  });

  it("always ends", () => {
    for (const kind of ["ended", "hung", "error", "unsupported"] as const) {
      let next: Attempt | null = attempt;
      let tries = 0;
      for (; next && tries < 50; tries++) {
        next =
          fallBack(next, failure(kind, tries % 3 === 0 ? null : segment(next.device === "cpu" ? "host" : "device")))
            ?.attempt ?? null;
      }
      expect(tries).toBeLessThan(20);
    }
  });
});
