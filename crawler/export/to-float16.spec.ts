import { describe, expect, it } from "vitest";
import { toFloat32 } from "../checkpoint/dtype.ts";
import { toFloat16 } from "./to-float16.ts";

const back = (halves: Uint16Array): number[] => [...toFloat32("F16", new Uint8Array(halves.buffer))];

describe("toFloat16", () => {
  it.each([
    ["one", 1, 0x3c00],
    ["minus two", -2, 0xc000],
    ["a third, rounded", 1 / 3, 0x3555],
    ["zero", 0, 0],
    ["minus zero", -0, 0x8000],
    ["a tie, to even below", 1 + 2 ** -11, 0x3c00],
    ["a tie, to even above", 1 + 3 * 2 ** -11, 0x3c02],
    ["a carry into the exponent", 2 - 2 ** -12, 0x4000],
    ["the smallest with all digits", 2 ** -14, 0x0400],
    ["the largest with fewer", 1023 * 2 ** -24, 0x03ff],
    ["a carry out of those with fewer", 1023.6 * 2 ** -24, 0x0400],
    ["the smallest of all", 2 ** -24, 1],
    ["half of it", 2 ** -25, 0],
    ["the largest", 65504, 0x7bff],
    ["what is too large", 1e30, 0x7bff],
    ["what rounds to more than the largest", 65520, 0x7bff],
    ["the lowest float32", -3.4028234663852886e38, 0xfbff],
    ["infinity", -Infinity, 0xfc00],
    ["no number", NaN, 0x7e00],
  ])("takes %s", (_case, value, bits) => {
    expect([...toFloat16([value])]).toEqual([bits]);
  });

  it("takes every half to itself", () => {
    const finite = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits).filter(
      (bits) => (bits & 0x7c00) !== 0x7c00,
    );
    expect(toFloat16(back(finite))).toEqual(finite);
  });

  it("is at most half a step away", () => {
    const values = Float32Array.from({ length: 1000 }, (_, index) => Math.sin(index) * 2 ** ((index % 28) - 13));
    back(toFloat16(values)).forEach((half, index) => {
      const value = values[index] ?? NaN;
      expect(Math.abs(half - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -11, 2 ** -25));
    });
  });
});
