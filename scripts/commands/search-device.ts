import { InputError } from "../../crawler/errors.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import { deviceBudget } from "../../search/device/device-budget.ts";
import { withDeviceLock } from "../../search/device/device-lock.ts";
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
  /**
   * Runs a search while no other uses the device; says so where it has to wait.
   * @param search is told of the device's budget, which follows from what is free there by then
   */
  hold<T>(search: (deviceBudgetBytes: number | undefined) => Promise<T>): Promise<T>;
}

/** Tests bring their own. */
export interface DeviceTools {
  readonly find?: typeof findDevice;
  readonly lock?: typeof withDeviceLock;
}

type DeviceArguments = Pick<SearchArguments, "device" | "deviceBudget" | "precision">;
type DeviceContext = Pick<CommandContext, "signal" | "output">;

/**
 * Tries devices while `work` does other things, which asks for the answer when it needs it. What was started is stopped
 * when `work` is done.
 * @throws what `work` throws; its question throws InputError where the device does not work, or has less memory than asked
 */
export async function withDevice<T>(
  argv: DeviceArguments,
  context: DeviceContext,
  work: (device: () => Promise<SearchDevice>) => Promise<T>,
  { find = findDevice, lock = withDeviceLock }: DeviceTools = {},
): Promise<T> {
  const { device: asked, deviceBudget: askedBudget, precision } = argv;
  const { signal, output } = context;
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
    return searchDevice(found, argv, context, { find, lock });
  };
  try {
    return await work(() => (answer ??= ask()));
  } finally {
    stop.abort(new Error("the search has ended"));
    await finding.catch(() => undefined); // nothing of it outlives the search; who asked has been told
  }
}

function searchDevice(
  { probe, probes }: FoundDevice,
  { device: asked, deviceBudget: askedBudget, precision }: DeviceArguments,
  { signal, output }: DeviceContext,
  { find, lock }: Required<DeviceTools>,
): SearchDevice {
  const { device } = probe;
  const devices =
    asked === "auto" ? probes.map(({ device: tried, works, reason }) => ({ device: tried, works, reason })) : undefined;
  if (device === "cpu") {
    return { device, adapter: undefined, deviceBudgetBytes: undefined, devices, hold: (search) => search(undefined) };
  }
  const budgetOf = (now: DeviceProbe): number => {
    const { bytes, note } = deviceBudget(askedBudget, now);
    if (note !== null) output.log(note);
    return bytes;
  };
  const adapter = deviceWords(probe);
  const deviceBudgetBytes = budgetOf(probe);
  const onWait = (holder: number): void =>
    output.log(`${adapter} is in use by another search (process ${holder}); waiting`);
  return {
    ...{ device, adapter, deviceBudgetBytes, devices },
    hold: (search) =>
      lock(
        device,
        async (hasWaited) => {
          if (!hasWaited || askedBudget !== undefined) return search(deviceBudgetBytes);
          const now = await find(device, { precision, signal }); // the other search has left its memory
          return search(budgetOf(now.probe));
        },
        { signal, onWait },
      ),
  };
}

/** `device: cpu; cuda: no card …`: why not the others that this platform could have. */
function describeChoice({ probe, others }: FoundDevice): string {
  const here = platformDevices(`${process.platform}-${process.arch}`);
  const why = others
    .filter(({ device }) => here.includes(device))
    .map(({ device, reason }) => `; ${device}: ${reason}`);
  return `device: ${deviceWords(probe)}${why.join("")}`;
}
