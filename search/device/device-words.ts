import { formatBytes } from "../../crawler/format-bytes.ts";
import type { DeviceProbe } from "./device-probe.ts";

/** What a device is: `webgpu (NVIDIA L4, driver 550.54.15)`. */
export const deviceWords = ({ device, name, driver }: Pick<DeviceProbe, "device" | "name" | "driver">): string => {
  const facts = [name, driver === null ? null : `driver ${driver}`].filter((fact) => fact !== null);
  return facts.length === 0 ? device : `${device} (${facts.join(", ")})`;
};

const THREE_DIGITS = { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };

/** How fast it ran the graph that probes are timed with. */
export const rateWords = (itemsPerSecond: number | null): string =>
  itemsPerSecond === null
    ? "too slow to be measured"
    : `${itemsPerSecond.toLocaleString("en-US", THREE_DIGITS)} test items/s`;

export const memoryWords = (memory: DeviceProbe["memory"]): string =>
  memory === null
    ? "memory unknown"
    : `${formatBytes(memory.totalBytes)} of memory (${formatBytes(memory.freeBytes)} free)`;
