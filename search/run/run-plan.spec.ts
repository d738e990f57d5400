import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Device } from "../device/device.ts";
import type { ProcessSetup } from "./process-message.ts";
import { PlanRunner } from "./run-plan.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "alsatian-run-plan-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

/** A process that writes down what it was started with, and each message that it is sent. */
async function listener(name: string) {
  const [path, heard] = [join(folder, `${name}.mjs`), join(folder, `${name}.txt`)];
  await writeFile(
    path,
    `import { appendFileSync } from "node:fs";
const tell = (line) => appendFileSync(${JSON.stringify(heard)}, JSON.stringify(line) + "\\n");
tell({ started: process.env.NVIDIA_TF32_OVERRIDE ?? null });
process.on("message", ({ kind, setup, root, end }) => {
  tell({ kind, device: setup?.device, root, end });
  if (kind === "close") process.exit(0);
});`,
  );
  const lines = async (): Promise<unknown[]> =>
    (await readFile(heard, "utf8").catch(() => ""))
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line));
  return { entry: pathToFileURL(path), lines };
}

/** As much of a setup as the runner itself looks at. */
const setupFor = (device: Device): ProcessSetup => ({ device, threads: 1 }) as ProcessSetup;

/** What processes hear of a runner that is started for a device, used, and closed. */
async function heardFrom(name: string, device: Device | undefined, use: (runner: PlanRunner) => void) {
  vi.stubEnv("NVIDIA_TF32_OVERRIDE", undefined);
  const { entry, lines } = await listener(name);
  const runner = new PlanRunner({ threads: 1, budgetBytes: 1e9, device, entry });
  use(runner);
  await runner.close();
  return lines();
}

describe("the process that runs plans", () => {
  it("goes on where it was started for the CPU and is set up for WebGPU", async () => {
    const heard = await heardFrom("same", undefined, (runner) => {
      runner.markPrepared("root", 3);
      runner.setUp(setupFor("webgpu"));
    });
    expect(heard).toEqual([
      { started: null },
      { kind: "prepared", root: "root", end: 3 },
      { kind: "setup", device: "webgpu" },
      { kind: "close" },
    ]);
  });

  it("is started anew for CUDA, which needs another environment, and is told again what was prepared", async () => {
    const heard = await heardFrom("other", undefined, (runner) => {
      runner.markPrepared("root", 3);
      runner.setUp(setupFor("cuda"));
    });
    // the first process may have been ended before it said anything
    expect(heard.slice(-4)).toEqual([
      { started: "0" },
      { kind: "setup", device: "cuda" },
      { kind: "prepared", root: "root", end: 3 },
      { kind: "close" },
    ]);
  });

  it("is started once where the device is known before", async () => {
    const heard = await heardFrom("known", "cuda", (runner) => runner.setUp(setupFor("cuda")));
    expect(heard).toEqual([{ started: "0" }, { kind: "setup", device: "cuda" }, { kind: "close" }]);
  });
});
