import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { mallocSettings } from "./malloc-settings.ts";

const freeOf = (budgetBytes: number): number => Number(mallocSettings(budgetBytes)["MALLOC_TRIM_THRESHOLD_"]);

it("keeps free memory up to half of the budget, and never more than makes sense", () => {
  expect(freeOf(20e6)).toBe(10e6);
  expect(freeOf(20e6 + 1)).toBe(10e6);
  expect(freeOf(4e9)).toBe(64 * 2 ** 20);
  expect(freeOf(1e12)).toBe(64 * 2 ** 20);
});

it("is no reason for a process not to start", () => {
  const env = { ...process.env, ...mallocSettings(1e6) };
  const { status, stderr } = spawnSync(process.execPath, ["-e", "new Float64Array(1e7).fill(1)"], { env });
  expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: "" });
});
