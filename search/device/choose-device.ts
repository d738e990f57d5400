import { InputError } from "../../crawler/errors.ts";
import { DEVICES, type Device } from "./device.ts";
import type { DeviceProbe } from "./device-probe.ts";
import { deviceWords, rateWords } from "./device-words.ts";

/** What `--device` takes. */
export const DEVICE_CHOICES = ["auto", ...DEVICES] as const;
export type AskedDevice = (typeof DEVICE_CHOICES)[number];

/** The device that inference runs on. */
export interface DeviceChoice {
  readonly probe: DeviceProbe;
  /** For `auto`: why it is none of the others. */
  readonly others: readonly { readonly device: Device; readonly reason: string }[];
}

/**
 * Chooses where inference runs. `auto` takes the fastest of those that work, and the CPU where no other was measured:
 * a card that the processor plays (SwiftShader) works, too.
 * @param probes of all devices that were tried; that of `asked`, and for `auto` that of the CPU, among them
 * @throws InputError where the device that was asked for does not work: what was found, why, and what would work
 */
export function chooseDevice(asked: AskedDevice, probes: readonly DeviceProbe[]): DeviceChoice {
  if (asked === "auto") return chooseFastest(probes);
  const probe = getProbe(asked, probes);
  if (probe.works) return { probe, others: [] };
  const working = probes.filter(({ works }) => works).map(deviceWords);
  const instead =
    working.length > 0 ? `what works here: ${working.join(", ")}` : "alsatian doctor shows what was found";
  const advice = probe.advice === null ? [] : [`what would help: ${probe.advice}`];
  throw new InputError(
    [`--device ${deviceWords(probe)}: ${probe.reason ?? "it does not work"}`, ...advice, instead].join("\n"),
  );
}

function chooseFastest(probes: readonly DeviceProbe[]): DeviceChoice {
  const best = probes
    .filter(({ works }) => works)
    .reduce(
      (fastest, probe) => ((probe.itemsPerSecond ?? 0) > (fastest.itemsPerSecond ?? 0) ? probe : fastest),
      getProbe("cpu", probes),
    );
  const others = probes
    .filter((probe) => probe !== best)
    .map((probe) => ({ device: probe.device, reason: probe.reason ?? slower(probe, best) }));
  return { probe: best, others };
}

const slower = (probe: DeviceProbe, best: DeviceProbe): string => {
  const works = `it works${probe.name === null ? "" : ` (${probe.name})`}`;
  if (probe.itemsPerSecond === null || best.itemsPerSecond === null) {
    return `${works}, but was ${rateWords(probe.itemsPerSecond)}`;
  }
  return `${works}, but is slower: ${rateWords(probe.itemsPerSecond)}, ${best.device} ${rateWords(best.itemsPerSecond)}`;
};

function getProbe(device: Device, probes: readonly DeviceProbe[]): DeviceProbe {
  const found = probes.find((probe) => probe.device === device);
  if (!found) throw new Error(`${device} was not tried`);
  return found;
}
