import type { Precision } from "../../crawler/export/precision.ts";
import { chooseDevice, type AskedDevice, type DeviceChoice } from "./choose-device.ts";
import { DEVICES, type Device } from "./device.ts";
import type { DeviceProbe } from "./device-probe.ts";
import { probeDevice, type ProbeOptions } from "./probe-device.ts";

/** What was chosen, and all that was tried for it. */
export interface FoundDevice extends DeviceChoice {
  readonly probes: readonly DeviceProbe[];
}

export interface FindDeviceOptions {
  readonly signal?: AbortSignal | undefined;
  /** What devices shall compute in. Default: fp32. */
  readonly precision?: Precision;
  /** Default: `probeDevice`. */
  readonly probe?: Probe;
}

type Probe = (device: Device, options: ProbeOptions) => Promise<DeviceProbe>;

/** SwiftShader, a card that the processor plays, compiles for seconds; of the others only WebGPU may turn out to be one. */
const AUTO_FIRST_RUN_MS = 3000;

/** A processor needs no trying where there is nothing to compare it with. */
const UNTRIED_CPU: DeviceProbe = {
  ...{ device: "cpu", works: true, reason: null, advice: null, name: null, driver: null, runtime: null },
  ...{ memory: null, itemsPerSecond: null },
};

/**
 * Tries what has to be tried to know where inference runs: nothing for `cpu`, one device where it is named, all for
 * `auto`; one after the other, as they would slow each other down.
 * @throws InputError where the device that was asked for does not work
 * @throws the signal's reason when it is aborted
 */
export async function findDevice(
  asked: AskedDevice,
  { signal, precision = "fp32", probe = probeDevice }: FindDeviceOptions = {},
): Promise<FoundDevice> {
  const probes = await probesFor(asked, {
    signal,
    probe: (device, options) => probe(device, { ...options, ...(precision !== "fp32" && { precision }) }),
  });
  return { ...chooseDevice(asked, probes), probes };
}

async function probesFor(
  asked: AskedDevice,
  { signal, probe }: FindDeviceOptions & { readonly probe: Probe },
): Promise<DeviceProbe[]> {
  if (asked === "cpu") return [UNTRIED_CPU];
  const others = DEVICES.filter((device) => device !== "cpu");
  const tried: DeviceProbe[] = [];
  if (asked !== "auto") {
    tried.push(await probe(asked, { signal, measure: false }));
    if (tried[0]?.works) return tried;
    // the error names what would work
    for (const device of others) if (device !== asked) tried.push(await probe(device, { signal, measure: false }));
    return [UNTRIED_CPU, ...tried];
  }
  for (const device of others) {
    const firstRunMs = device === "webgpu" ? AUTO_FIRST_RUN_MS : undefined;
    tried.push(await probe(device, { signal, ...(firstRunMs !== undefined && { firstRunMs }) }));
  }
  const isRace = tried.some(({ itemsPerSecond }) => itemsPerSecond !== null);
  return [isRace ? await probe("cpu", { signal }) : UNTRIED_CPU, ...tried];
}
