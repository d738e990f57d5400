import { formatBytes } from "../../crawler/format-bytes.ts";
import type { DeviceProbe } from "./device-probe.ts";

/** What a device is: `webgpu (NVIDIA L4, driver 550.54.15)`. */
export const deviceWords = ({ device, name, driver }: Pick<DeviceProbe, "device" | "name" | "driver">): string => {
  const facts = [name, driver === null ? null : `driver ${driver}`].filter((fact) => fact !== null);
  return facts.length === 0 ? device : `${device} (${facts.join(", ")})`;
};

/** How fast it ran the graph that probes are timed with. */
export const rateWords = (itemsPerSecond: number | null): string =>
  itemsPerSecond === null ? "too slow to be measured" : `${itemsPerSecond.toPrecision(3)} test items/s`;

export const memoryWords = (memory: DeviceProbe["memory"]): string =>
  memory === null
    ? "memory unknown"
    : `${formatBytes(memory.totalBytes)} of memory (${formatBytes(memory.freeBytes)} free)`;
