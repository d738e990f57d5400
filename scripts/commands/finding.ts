import type { DeviceProbe } from "../../search/device/device-probe.ts";

/** What `doctor` says of one thing. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
  /** The way to what is missing. */
  readonly advice?: string;
  /** All that was found of a device. */
  readonly probe?: DeviceProbe;
}
