import { describe, expect, it } from "vitest";
import { parseNvidiaSmi } from "./parse-nvidia-smi.ts";

const MIB = 2 ** 20;

describe("parseNvidiaSmi", () => {
  it("reads a line a card", () => {
    expect(
      parseNvidiaSmi("NVIDIA H200, 143771, 143000, 570.86.15\nNVIDIA GeForce RTX 3090, 24576, 100, 535.183.01\n"),
    ).toEqual([
      { name: "NVIDIA H200", driver: "570.86.15", memory: { totalBytes: 143771 * MIB, freeBytes: 143000 * MIB } },
      {
        name: "NVIDIA GeForce RTX 3090",
        driver: "535.183.01",
        memory: { totalBytes: 24576 * MIB, freeBytes: 100 * MIB },
      },
    ]);
  });

  it.each([
    ["values that the driver does not tell", "NVIDIA A100, [N/A], [N/A], 550.54"],
    ["values that are not permitted", "NVIDIA A100, 40960, [Insufficient Permissions], 550.54"],
    ["no memory at all", "NVIDIA A100, 0, 0, 550.54"],
    ["more free than there is", "NVIDIA A100, 10, 20, 550.54"],
    ["numbers beyond belief", "NVIDIA A100, 99999999999, 5, 550.54"],
  ])("takes the memory as unknown: %s", (_name, line) => {
    expect(parseNvidiaSmi(line)).toEqual([{ name: "NVIDIA A100", driver: "550.54", memory: null }]);
  });

  it.each([
    ["nothing", ""],
    ["an error", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."],
    ["no devices", "No devices were found"],
    ["too few values", "NVIDIA A100, 10"],
    ["no name", ", 10, 5, 550"],
  ])("finds no card in %s", (_name, text) => {
    expect(parseNvidiaSmi(text)).toEqual([]);
  });
});
