import { describe, expect, it } from "vitest";
import { dilateStrides } from "./dilate-strides.ts";

describe("dilateStrides", () => {
  const steps = (outputStride: number) =>
    dilateStrides([1, 2, 1, 2, 1, 2, 1], outputStride, 2).map(({ stride, dilation }) => `${stride}/${dilation}`);

  it("strides as long as the picture may shrink", () => {
    expect(steps(32)).toEqual(["1/1", "2/1", "1/1", "2/1", "1/1", "2/1", "1/1"]);
  });

  it("dilates from the layer behind the one that lost its stride", () => {
    expect(steps(8)).toEqual(["1/1", "2/1", "1/1", "2/1", "1/1", "1/1", "1/2"]);
    expect(steps(4)).toEqual(["1/1", "2/1", "1/1", "1/1", "1/2", "1/2", "1/4"]);
  });
});
