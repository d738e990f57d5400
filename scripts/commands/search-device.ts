import { InputError } from "../../crawler/errors.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { deviceBudget } from "../../search/device/device-budget.ts";
import { deviceWords } from "../../search/device/device-words.ts";
import type { Device } from "../../search/device/device.ts";
import type { DeviceProbe } from "../../search/device/device-probe.ts";
import { findDevice, type FoundDevice } from "../../search/device/find-device.ts";
import { platformDevices } from "../../search/device/platform-devices.ts";
import type { CommandContext } from "./common.ts";
import type { SearchArguments } from "./search-options.ts";

/** Where a search runs. */
export interface SearchDevice {
  readonly device: Device;
  /** What it is, driver and all; undefined for the CPU. */
  readonly adapter: string | undefined;
  /** Of the device's own memory; undefined for the CPU, whose memory `--budget` bounds. */
  readonly deviceBudgetBytes: number | undefined;
  /** All that were tried for `auto`; undefined where the user has named one. */
  readonly devices: readonly Pick<DeviceProbe, "device" | "works" | "reason">[] | undefined;
}

/**
 * Tries devices while `work` does other things, which asks for the answer when it needs it. What was started is stopped
 * when `work` is done.
 * @throws what `work` throws; its question throws InputError where the device does not work, or has less memory than asked
 */
export async function withDevice<T>(
  {
    device: asked,
    deviceBudget: askedBudget,
    precision,
  }: Pick<SearchArguments, "device" | "deviceBudget" | "precision">,
  { signal, output }: Pick<CommandContext, "signal" | "output">,
  work: (device: () => Promise<SearchDevice>) => Promise<T>,
  find = findDevice,
): Promise<T> {
  if (askedBudget !== undefined) {
    parseBytes(askedBudget, "--device-budget");
    if (asked === "cpu") throw new InputError("--device-budget: the cpu has no memory of its own; --budget bounds it");
  }
  const stop = new AbortController();
  const finding = find(asked, { precision, signal: AbortSignal.any([signal, stop.signal]) });
  finding.catch(() => undefined); // told when it is asked for
  let answer: Promise<SearchDevice> | undefined;
  const ask = async (): Promise<SearchDevice> => {
    const found = await finding;
    output.log(describeChoice(found));
    const { probe, probes } = found;
    const devices =
      asked === "auto" ? probes.map(({ device, works, reason }) => ({ device, works, reason })) : undefined;
    if (probe.device === "cpu") return { device: "cpu", adapter: undefined, deviceBudgetBytes: undefined, devices };
    const { bytes, note } = deviceBudget(askedBudget, probe);
    if (note !== null) output.log(note);
    return { device: probe.device, adapter: deviceWords(probe), deviceBudgetBytes: bytes, devices };
  };
  try {
    return await work(() => (answer ??= ask()));
  } finally {
    stop.abort(new Error("the search has ended"));
    await finding.catch(() => undefined); // nothing of it outlives the search; who asked has been told
  }
}

/** `device: cpu; cuda: no card …`: why not the others that this platform could have. */
function describeChoice({ probe, others }: FoundDevice): string {
  const here = platformDevices(`${process.platform}-${process.arch}`);
  const why = others
    .filter(({ device }) => here.includes(device))
    .map(({ device, reason }) => `; ${device}: ${reason}`);
  return `device: ${deviceWords(probe)}${why.join("")}`;
}
