import type { Device } from "./device.ts";
import type { DeviceMemory } from "./device-memory.ts";

/** What was found of a device by trying it. */
export interface DeviceProbe {
  readonly device: Device;
  /** It has run a graph, and the values were right. */
  readonly works: boolean;
  /** Why it does not work; null where it does. */
  readonly reason: string | null;
  /** What would make it work, where that is known. */
  readonly advice: string | null;
  /** The processor or card, where its driver tells. */
  readonly name: string | null;
  readonly driver: string | null;
  /** The version of onnxruntime that ran it; null where none got that far. */
  readonly runtime: string | null;
  /** Null where it is not known, or not apart from the machine's. */
  readonly memory: DeviceMemory | null;
  /** How fast it runs `rateGraph`; null where that was not measured, or took longer than it was given. */
  readonly itemsPerSecond: number | null;
}

/** What a device that does not work, or of which no more is known, is described by. */
export const failedProbe = (device: Device, reason: string, advice: string | null): DeviceProbe => ({
  device,
  works: false,
  reason,
  advice,
  name: null,
  driver: null,
  runtime: null,
  memory: null,
  itemsPerSecond: null,
});
