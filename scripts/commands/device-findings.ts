import { chooseDevice } from "../../search/device/choose-device.ts";
import type { DeviceProbe } from "../../search/device/device-probe.ts";
import { memoryWords, rateWords } from "../../search/device/device-words.ts";
import { DEVICES } from "../../search/device/device.ts";
import { probeDevice } from "../../search/device/probe-device.ts";
import type { Finding } from "./finding.ts";

/**
 * Tries every device, one after the other, as they would slow each other down; and says which one `auto` takes.
 * @throws the signal's reason when it is aborted
 */
export async function deviceFindings(signal: AbortSignal): Promise<Finding[]> {
  const probes: DeviceProbe[] = [];
  for (const device of DEVICES) probes.push(await probeDevice(device, { signal }));
  const { device, works } = chooseDevice("auto", probes).probe;
  const auto = { what: "--device auto", ok: works, found: works ? `takes ${device}` : "no device works" };
  return [...probes.map(describe), auto];
}

function describe(probe: DeviceProbe): Finding {
  const { device, works, reason, advice, name, driver, runtime, memory, itemsPerSecond } = probe;
  const facts = [
    works ? null : reason,
    name,
    driver === null ? null : `driver ${driver}`,
    ...(works ? [memoryWords(memory), rateWords(itemsPerSecond), `onnxruntime ${runtime ?? "unknown"}`] : []),
  ];
  return {
    what: `device ${device}`,
    ok: works,
    found: facts.filter((fact) => fact !== null).join("; "),
    ...(advice !== null && { advice }),
    probe,
  };
}
