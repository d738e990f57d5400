import { describe, expect, it } from "vitest";
import { failedProbe, type DeviceProbe } from "./device-probe.ts";
import type { Device } from "./device.ts";
import { findDevice } from "./find-device.ts";
import type { ProbeOptions } from "./probe-device.ts";

/** A machine on which some devices work, and how fast; it writes down what was tried. */
function machine(rates: Partial<Record<Device, number | null>>) {
  const tried: [Device, ProbeOptions][] = [];
  let running = 0;
  const probe = async (device: Device, options: ProbeOptions): Promise<DeviceProbe> => {
    tried.push([device, options]);
    if (++running > 1) throw new Error("two at a time");
    await Promise.resolve();
    running--;
    const rate = rates[device];
    if (rate === undefined) return failedProbe(device, "not here", null);
    const itemsPerSecond = options.measure === false ? null : rate;
    return { ...failedProbe(device, "", null), works: true, reason: null, itemsPerSecond };
  };
  return { probe, tried, names: () => tried.map(([device]) => device) };
}

describe("findDevice", () => {
  it("tries nothing for the CPU", async () => {
    const { probe, tried } = machine({});
    expect((await findDevice("cpu", { probe })).probe.device).toBe("cpu");
    expect(tried).toEqual([]);
  });

  it("tries a device that is named alone, and does not measure it", async () => {
    const { probe, tried } = machine({ cuda: 5, webgpu: 5 });
    expect((await findDevice("webgpu", { probe })).probe.device).toBe("webgpu");
    expect(tried).toEqual([["webgpu", { signal: undefined, measure: false }]]);
  });

  it("tries the others where a device that is named does not work, to name one that does", async () => {
    const { probe, names } = machine({ webgpu: 5 });
    await expect(findDevice("cuda", { probe })).rejects.toThrow("what works here: cpu, webgpu");
    expect(names()).toEqual(["cuda", "webgpu", "dml", "coreml"]);
  });

  it("leaves the CPU untried where no other device could beat it", async () => {
    const { probe, names } = machine({ webgpu: null });
    const found = await findDevice("auto", { probe });
    expect(found.probe.device).toBe("cpu");
    expect(found.probes.map(({ device }) => device)).toEqual(["cpu", "cuda", "webgpu", "dml", "coreml"]);
    expect(names()).toEqual(["cuda", "webgpu", "dml", "coreml"]);
  });

  it("compares devices with the CPU, one after the other", async () => {
    const slow = machine({ cpu: 20, webgpu: 3 });
    expect((await findDevice("auto", { probe: slow.probe })).probe.device).toBe("cpu");
    const fast = machine({ cpu: 20, webgpu: 300, cuda: 200 });
    expect((await findDevice("auto", { probe: fast.probe })).probe.device).toBe("webgpu");
    expect(fast.names()).toEqual(["cuda", "webgpu", "dml", "coreml", "cpu"]);
  });

  it("tries devices in what they shall compute in", async () => {
    const { probe, tried } = machine({ cpu: 1, webgpu: 5 });
    await findDevice("auto", { probe, precision: "fp16" });
    expect(tried.map(([, { precision }]) => precision)).toEqual(["fp16", "fp16", "fp16", "fp16", "fp16"]);
  });
});
