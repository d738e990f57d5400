import { describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { deviceBudget } from "./device-budget.ts";

const L4 = {
  device: "cuda",
  name: "NVIDIA L4",
  driver: "550.54",
  memory: { totalBytes: 24e9, freeBytes: 20e9 },
} as const;
const UNKNOWN = { device: "webgpu", name: null, driver: null, memory: null } as const;

describe("deviceBudget", () => {
  it("takes 80 % of what is free, and says so", () => {
    expect(deviceBudget(undefined, L4)).toEqual({
      bytes: 16e9,
      note: "device budget 16.0 GB, 80 % of what is free on cuda (NVIDIA L4, driver 550.54)",
    });
  });

  it("takes 2 GB where the memory is unknown, and says so", () => {
    const { bytes, note } = deviceBudget(undefined, UNKNOWN);
    expect(bytes).toBe(2e9);
    expect(note).toMatch(/2\.00 GB, as the memory of webgpu is unknown; --device-budget/);
  });

  it.each([
    ["24GB", L4, 24e9],
    ["512MiB", L4, 2 ** 29],
    ["100GB", UNKNOWN, 100e9],
  ] as const)("takes %s when told to", (asked, probe, bytes) => {
    expect(deviceBudget(asked, probe)).toEqual({ bytes, note: null });
  });

  it("refuses more than the device has, and names both", () => {
    const over = () => deviceBudget("25GB", L4);
    expect(over).toThrow(InputError);
    expect(over).toThrow(
      /--device-budget 25GB: cuda \(NVIDIA L4, driver 550\.54\) has 24\.0 GB of memory, 20\.0 GB of it free/,
    );
  });

  it("refuses what is no amount", () => {
    expect(() => deviceBudget("lots", L4)).toThrow(/--device-budget: expected an amount of bytes/);
  });
});
