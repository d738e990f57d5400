import { describe, expect, it } from "vitest";
import { planCrop, preprocessImage, resizedSize } from "./preprocess-image.ts";
import type { GeometryStep, ResizeTo } from "../../crawler/preprocessing/preprocessing.ts";

type Crop = Extract<GeometryStep, { kind: "crop" }>;
const crop = (height: number, width: number, odd: Crop["odd"] = "transformers"): Crop => ({
  kind: "crop",
  height,
  width,
  odd,
  fill: [0, 0, 0],
});

describe("resizedSize", () => {
  const cases: [ResizeTo, from: [number, number], to: [number, number]][] = [
    [{ kind: "exact", height: 64, width: 48 }, [10, 20], [64, 48]],
    [{ kind: "shortest", edge: 256 }, [375, 500], [256, 341]],
    [{ kind: "shortest", edge: 256 }, [500, 375], [341, 256]],
    [{ kind: "shortest", edge: 224 }, [100, 100], [224, 224]],
    [{ kind: "cover", height: 80, width: 60 }, [100, 100], [80, 80]],
    [{ kind: "contain", height: 80, width: 60 }, [100, 101], [59, 60]],
    [{ kind: "contain", height: 2, width: 2 }, [4, 5], [2, 2]], // 1.6 -> 2
    [{ kind: "contain", height: 10, width: 10 }, [1, 1000], [1, 10]],
    [{ kind: "thumbnail", height: 88, width: 64 }, [64, 93], [44, 64]],
    [{ kind: "thumbnail", height: 88, width: 64 }, [30, 40], [30, 40]],
    [{ kind: "thumbnail", height: 88, width: 64 }, [200, 64], [88, 28]],
  ];
  for (const [to, [height, width], [h, w]] of cases) {
    it(`${height}x${width} to ${JSON.stringify(to)}`, () => {
      expect(resizedSize({ height, width }, to)).toEqual({ height: h, width: w });
    });
  }
});

describe("planCrop", () => {
  it("puts the odd pixel where transformers does", () => {
    expect(planCrop({ height: 7, width: 8 }, crop(4, 4))).toEqual({
      inside: { top: 1, left: 2, height: 4, width: 4 },
      offset: { top: 0, left: 0 },
    });
    expect(planCrop({ height: 3, width: 8 }, crop(6, 4))).toEqual({
      inside: { top: 0, left: 2, height: 3, width: 4 },
      offset: { top: 2, left: 0 }, // ceil(3 / 2)
    });
  });

  it("puts the odd pixel where torchvision does", () => {
    const rows = [5, 7, 9].map((height) => planCrop({ height, width: 4 }, crop(4, 4, "torchvision")).inside.top);
    expect(rows).toEqual([0, 2, 2]); // round(0.5), round(1.5), round(2.5): half to even
    expect(planCrop({ height: 3, width: 4 }, crop(6, 4, "torchvision")).offset.top).toBe(1); // floor(3 / 2)
  });
});

describe("preprocessImage", () => {
  const image = { data: Uint8Array.from([1, 2, 3, 4, 5, 6]), width: 2, height: 1 };
  const base = { scale: [1, 1, 1], bias: [0, 0, 0] } as const;

  it("gives planes", () => {
    const levels = preprocessImage(image, { ...base, steps: [crop(1, 2)], height: 1, width: 2 });
    expect([...levels]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("fills what lies outside the picture", () => {
    const step: Crop = { ...crop(1, 4), fill: [7, 8, 9] };
    const levels = preprocessImage(image, { ...base, steps: [step], height: 1, width: 4 });
    expect([...levels]).toEqual([7, 1, 4, 7, 8, 2, 5, 8, 9, 3, 6, 9]);
  });

  it("turns a picture whose long edge lies across", () => {
    const steps: GeometryStep[] = [{ kind: "turn", height: 2, width: 1 }, crop(2, 1)];
    expect([...preprocessImage(image, { ...base, steps, height: 2, width: 1 })]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("refuses steps that do not end at the stated size", () => {
    expect(() => preprocessImage(image, { ...base, steps: [], height: 5, width: 5 })).toThrow(/made 1x2 pixels/);
  });
});
