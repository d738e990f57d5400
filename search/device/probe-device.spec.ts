import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failedProbe } from "./device-probe.ts";
import { probeDevice } from "./probe-device.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "alsatian-probe-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const OPENED = 'process.send({ kind: "opened", runtime: "1.2.3" });';
const WORKS = `${OPENED} process.send({ kind: "works" });`;
const HANGS = "setInterval(() => undefined, 1000);";
const HANGS_BUSY = "setTimeout(() => { for (;;); }, 20);";

let entries = 0;
/** A process that stands in for the one that tries devices. It leaves its id in a file. */
async function entry(body: string): Promise<{ readonly url: URL; pid(): Promise<number> }> {
  const path = join(folder, `entry-${entries++}.mjs`);
  await writeFile(
    path,
    `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(`${path}.pid`)}, String(process.pid));\n${body}`,
  );
  const pid = async (): Promise<number> => {
    for (;;) {
      // the file is there before its text is
      const id = Number(await readFile(`${path}.pid`, "utf8").catch(() => ""));
      if (id > 0) return id;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { url: pathToFileURL(path), pid };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Tries WebGPU with a process that stands in. */
const probeWith = async (body: string, options: { readonly measureMs?: number } = {}) =>
  probeDevice("webgpu", { ...options, entry: (await entry(body)).url, obstacle: () => null });

describe("probeDevice", () => {
  it("runs graphs on the CPU, and measures it", async () => {
    const probe = await probeDevice("cpu", { measureMs: 60_000 });
    expect(probe).toMatchObject({ device: "cpu", works: true, reason: null, advice: null });
    expect(probe.runtime).toMatch(/^\d+\.\d+/);
    expect(probe.itemsPerSecond).toBeGreaterThan(0);
  });

  it("runs graphs in float16 where that is asked", async () => {
    expect(await probeDevice("cpu", { precision: "fp16", measure: false })).toMatchObject({
      works: true,
      reason: null,
    });
  });

  it("does not measure where speed is not wanted", async () => {
    expect(await probeDevice("cpu", { measure: false })).toMatchObject({ works: true, itemsPerSecond: null });
  });

  it("starts nothing where an obstacle makes it certain", async () => {
    const url = new URL("file:///nowhere/entry.mjs");
    const obstacle = () => ({ reason: "no card", advice: "buy one" });
    expect(await probeDevice("cuda", { obstacle, entry: url })).toEqual(failedProbe("cuda", "no card", "buy one"));
  });

  it("keeps what was found when the process crashes afterwards", async () => {
    const probe = await probeWith(`${WORKS} process.send({ kind: "rate", itemsPerSecond: 7 }, () => process.abort());`);
    expect(probe).toMatchObject({ works: true, itemsPerSecond: 7, runtime: "1.2.3" });
  });

  it("takes a device that crashes while it is measured as working", async () => {
    const probe = await probeWith(`process.send({ kind: "works" }, () => process.abort());`);
    expect(probe).toMatchObject({ works: true, itemsPerSecond: null });
  });

  it("measures no longer than it may", async () => {
    expect(await probeWith(`${WORKS} ${HANGS}`, { measureMs: 50 })).toMatchObject({
      works: true,
      itemsPerSecond: null,
    });
  });

  it("does not believe a device whose values turn out wrong on the larger graph", async () => {
    const probe = await probeWith(
      `${WORKS} process.send({ kind: "failed", error: "wrong values: they differ" }); ${HANGS}`,
    );
    expect(probe).toMatchObject({ works: false, reason: "wrong values: they differ", itemsPerSecond: null });
  });

  it("says how a process ended that reported nothing, with its last words", async () => {
    const silent = await probeWith("process.exit(3);");
    expect(silent).toMatchObject({ works: false, reason: "the process that tries it ended with code 3" });
    const loud = await probeWith(
      'process.stderr.write("[Vulkan Loader] x\\nfirst\\nlast: /a/b/c.cc broke\\n", () => process.exit(4));',
    );
    expect(loud.reason).toBe("the process that tries it ended with code 4: last: c.cc broke");
  });

  it("knows the reason and the card from what the libraries write", async () => {
    const probe = await probeWith(
      `process.stderr.write('[Vulkan Loader] Using "Card 9" with driver: "/x.so"\\nWarning: vkCreateInstance: Found no drivers!\\n', () =>
         process.send({ kind: "failed", error: "Failed to get a WebGPU adapter: none" }));`,
    );
    expect(probe).toMatchObject({ works: false, name: "Card 9", reason: "the Vulkan loader found no driver" });
  });

  it("bounds what the libraries write", async () => {
    const probe = await probeWith(
      'process.stderr.write("x".repeat(5e6), () => process.send({ kind: "failed", error: "first\\nsecond" }));',
    );
    expect(probe).toMatchObject({ works: false, reason: "first" });
  });

  it.each([
    ["waits", HANGS],
    ["does not listen", HANGS_BUSY],
  ])("ends a process that hangs and %s", async (_name, hang) => {
    const options = { obstacle: () => null, firstRunMs: 300 };
    const { url, pid } = await entry(`${OPENED} ${hang}`);
    const probe = await probeDevice("webgpu", { ...options, entry: url });
    expect(probe).toMatchObject({ works: false, reason: "its first run of a small graph took longer than 0.3 s" });
    expect(isAlive(await pid())).toBe(false);
    const silent = await probeDevice("webgpu", { ...options, timeoutMs: 200, entry: (await entry(hang)).url });
    expect(silent).toMatchObject({ works: false, reason: "opening a small graph on it took longer than 0.2 s" });
  });

  it.each([
    ['"hello"'],
    ["{ kind: 'rate', itemsPerSecond: -1 }"],
    ["{ kind: 'rate', itemsPerSecond: '5' }"],
    ["{ kind: 'works', but: 1 }"],
    ["[{ kind: 'works' }]"],
    ["null"],
  ])("does not believe a process that says %s", async (message) => {
    const probe = await probeWith(`process.send(${message}); process.send({ kind: "works" }); ${HANGS}`);
    expect(probe).toMatchObject({ works: false, reason: "the process that tries it said what makes no sense" });
  });

  it("stops when it is told to, and leaves no process", async () => {
    const { url, pid } = await entry(`process.send({ kind: "opened", runtime: "" }); ${HANGS}`);
    const stop = new AbortController();
    const probing = probeDevice("webgpu", { signal: stop.signal, entry: url, obstacle: () => null });
    const started = await pid();
    stop.abort(new Error("enough"));
    await expect(probing).rejects.toThrow("enough");
    expect(isAlive(started)).toBe(false);
  });

  const isVulkanHere = Boolean(process.env.VK_DRIVER_FILES);
  it.skipIf(!isVulkanHere)(
    `runs graphs with WebGPU${isVulkanHere ? "" : " (skipped: VK_DRIVER_FILES names no driver; docs/devices.md says how to get SwiftShader)"}`,
    async () => {
      const probe = await probeDevice("webgpu", { firstRunMs: 60_000 });
      expect(probe).toMatchObject({ works: true, reason: null });
      if (process.env.VK_DRIVER_FILES?.includes("swiftshader")) expect(probe.name).toMatch(/SwiftShader/);
    },
  );

  it.skipIf(!process.env.VK_DRIVER_FILES?.includes("swiftshader"))(
    "says that SwiftShader has no float16, and what to do (skipped where it is not the driver)",
    async () => {
      const probe = await probeDevice("webgpu", { precision: "fp16", measure: false, firstRunMs: 60_000 });
      expect(probe).toMatchObject({
        works: false,
        reason: "the card has no float16 (shader-f16)",
        advice: "--precision fp32",
      });
    },
  );
});
