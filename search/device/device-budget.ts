import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { parseBytes } from "../../crawler/parse-bytes.ts";
import type { DeviceProbe } from "./device-probe.ts";
import { deviceWords } from "./device-words.ts";

/** What inference may take of a device's own memory. */
export interface DeviceBudget {
  readonly bytes: number;
  /** How it came about, for the log; null where the user has said it. */
  readonly note: string | null;
}

/** Of what is free: drivers, and onnxruntime beside the results it is given, take some too. */
const FREE_SHARE = 0.8;
/** Where the device does not tell: less than any card of these years has. */
const UNKNOWN_BYTES = 2e9;

/**
 * How much of a device's memory inference may take.
 * @param asked what the user says (`--device-budget`); default: 80 % of what is free, 2 GB where that is unknown
 * @throws InputError for more than the device has
 */
export function deviceBudget(
  asked: string | undefined,
  probe: Pick<DeviceProbe, "device" | "name" | "driver" | "memory">,
): DeviceBudget {
  const { memory } = probe;
  if (asked !== undefined) {
    const bytes = parseBytes(asked, "--device-budget");
    if (memory === null || bytes <= memory.totalBytes) return { bytes, note: null };
    throw new InputError(
      `--device-budget ${asked}: ${deviceWords(probe)} has ${formatBytes(memory.totalBytes)} of memory, ${formatBytes(memory.freeBytes)} of it free`,
    );
  }
  if (memory === null) {
    const note = `device budget ${formatBytes(UNKNOWN_BYTES)}, as the memory of ${deviceWords(probe)} is unknown; --device-budget sets it`;
    return { bytes: UNKNOWN_BYTES, note };
  }
  const bytes = Math.floor(FREE_SHARE * memory.freeBytes);
  return { bytes, note: `device budget ${formatBytes(bytes)}, 80 % of what is free on ${deviceWords(probe)}` };
}
