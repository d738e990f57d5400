import type { Device } from "./device.ts";

/**
 * Operators of the block DSL that a device cannot compute, found by opening every reference's graphs on it without the
 * CPU's help (test/golden/devices.spec.ts). Nothing is known of the devices that no test has run on.
 */
const UNSUPPORTED: Partial<Record<Device, ReadonlySet<string>>> = {
  // compares and counts 64-bit token ids
  webgpu: new Set(["embedPositionsPastPadding"]),
};

/** Which of a graph's operators a device cannot compute; a block that has one runs on the CPU. */
export const unsupportedOperators = (device: Device, operators: readonly string[]): string[] =>
  operators.filter((operator) => UNSUPPORTED[device]?.has(operator));
