import { describe, expect, it } from "vitest";
import { getOperator } from "../../crawler/export/operators.ts";
import { DEVICES } from "./device.ts";
import { unsupportedOperators } from "./unsupported-operators.ts";

describe("unsupportedOperators", () => {
  it("names what WebGPU lacks", () => {
    const operators = ["embedTokens", "embedPositionsPastPadding", "add", "maskBias"];
    expect(unsupportedOperators("webgpu", operators)).toEqual(["embedPositionsPastPadding"]);
  });

  it("names operators that there are", () => {
    for (const device of DEVICES) {
      for (const name of unsupportedOperators(device, ["embedPositionsPastPadding"])) {
        expect(getOperator(name).name).toBe(name);
      }
    }
  });

  it.each(["cpu", "cuda", "dml", "coreml"] as const)("knows of nothing that %s lacks", (device) => {
    expect(unsupportedOperators(device, ["embedPositionsPastPadding", "conv"])).toEqual([]);
  });
});
