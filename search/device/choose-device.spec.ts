import { describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { chooseDevice } from "./choose-device.ts";
import { failedProbe, type DeviceProbe } from "./device-probe.ts";
import type { Device } from "./device.ts";

const working = (device: Device, itemsPerSecond: number | null, name: string | null = null): DeviceProbe => ({
  ...failedProbe(device, "", null),
  ...{ works: true, reason: null, name, itemsPerSecond },
});
const CPU = working("cpu", 20);

describe("chooseDevice, auto", () => {
  it.each<[string, Device, DeviceProbe[]]>([
    ["the CPU where nothing else works", "cpu", [working("cpu", null), failedProbe("webgpu", "no", null)]],
    ["the fastest that works", "cuda", [CPU, working("webgpu", 100), working("cuda", 500)]],
    ["the CPU over a slower card", "cpu", [CPU, working("webgpu", 0.1)]],
    ["the CPU over a card that was too slow to be measured", "cpu", [working("cpu", null), working("webgpu", null)]],
    ["a card over a CPU that was too slow to be measured", "webgpu", [working("cpu", null), working("webgpu", 3)]],
    ["the CPU where both are as fast", "cpu", [working("webgpu", 20), CPU]],
    [
      "a card that works over a faster one that does not",
      "webgpu",
      [CPU, failedProbe("cuda", "no", null), working("webgpu", 40)],
    ],
  ])("takes %s", (_name, device, probes) => {
    const { probe, others } = chooseDevice("auto", probes);
    expect(probe.device).toBe(device);
    expect(others.map((other) => other.device).sort()).toEqual(
      probes
        .map((other) => other.device)
        .filter((other) => other !== device)
        .sort(),
    );
  });

  it("says why not the others", () => {
    const { others } = chooseDevice("auto", [
      CPU,
      failedProbe("cuda", "no card", "buy one"),
      working("webgpu", 0.125, "SwiftShader"),
      working("dml", null),
    ]);
    expect(others).toEqual([
      { device: "cuda", reason: "no card" },
      { device: "webgpu", reason: "it works (SwiftShader), but is slower: 0.125 test items/s, cpu 20.0 test items/s" },
      { device: "dml", reason: "it works, but was too slow to be measured" },
    ]);
  });
});

describe("chooseDevice, a device by name", () => {
  it("takes it where it works, however slow", () => {
    expect(chooseDevice("webgpu", [CPU, working("webgpu", 0.1)])).toMatchObject({
      probe: { device: "webgpu" },
      others: [],
    });
  });

  it("names what was found, why it is not enough, and what would work", () => {
    const old = { ...failedProbe("cuda", "the driver is too old", "a newer one"), name: "NVIDIA L4", driver: "470.1" };
    const choose = () =>
      chooseDevice("cuda", [CPU, old, working("webgpu", 5, "NVIDIA L4"), failedProbe("dml", "no", null)]);
    expect(choose).toThrow(InputError);
    expect(choose).toThrow(
      "--device cuda (NVIDIA L4, driver 470.1): the driver is too old\nwhat would help: a newer one\nwhat works here: cpu, webgpu (NVIDIA L4)",
    );
  });
});
