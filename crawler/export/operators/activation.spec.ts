import { describe, expect, it } from "vitest";
import { furthest, ranked, runGraph } from "../../../test/export/run-graph.ts";
import { UnsupportedModelError } from "../../errors.ts";
import { Ops } from "../ops.ts";
import { activate } from "./activation.ts";

const X = [-3, -1, -0.5, 0, 0.5, 1, 3, 12];
/** Of X, from transformers' activations. */
const EXPECTED: Readonly<Record<string, readonly number[]>> = {
  gelu: [-0.004050225, -0.1586553, -0.1542688, 0.0, 0.3457312, 0.8413447, 2.99595, 12.0],
  gelu_10: [-0.004050225, -0.1586553, -0.1542688, 0.0, 0.3457312, 0.8413447, 2.99595, 10.0],
  gelu_new: [-0.003637433, -0.158808, -0.154286, 0.0, 0.345714, 0.841192, 2.996363, 12.0],
  gelu_fast: [-0.003637433, -0.158808, -0.154286, 0.0, 0.345714, 0.841192, 2.996363, 12.0],
  gelu_accurate: [-0.003637433, -0.158808, -0.154286, 0.0, 0.345714, 0.841192, 2.996363, 12.0],
  quick_gelu: [-0.01807131, -0.1542042, -0.1496116, 0.0, 0.3503884, 0.8457958, 2.981929, 12.0],
  silu: [-0.1422776, -0.2689414, -0.1887703, 0.0, 0.3112297, 0.7310586, 2.857723, 11.99993],
  relu: [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 3.0, 12.0],
  relu2: [0.0, 0.0, 0.0, 0.0, 0.25, 1.0, 9.0, 144.0],
  relu6: [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 3.0, 6.0],
  leaky_relu: [-0.03, -0.01, -0.005, 0.0, 0.5, 1.0, 3.0, 12.0],
  mish: [-0.1456475, -0.3034014, -0.2207438, 0.0, 0.3752452, 0.8650984, 2.986535, 12.0],
  sigmoid: [0.04742587, 0.2689414, 0.3775407, 0.5, 0.6224594, 0.7310586, 0.9525741, 0.9999938],
  tanh: [-0.9950548, -0.7615942, -0.4621172, 0.0, 0.4621172, 0.7615942, 0.9950548, 1.0],
  linear: X,
  hardswish: [-0.0, -0.3333333, -0.2083333, 0.0, 0.2916667, 0.6666667, 3.0, 12.0],
};

describe("activate", () => {
  it.each(Object.entries(EXPECTED))("%s equals transformers'", async (name, expected) => {
    const info = { dims: [X.length] };
    const { values } = await runGraph([{ info, values: Float32Array.from(X) }], (g, [x]) =>
      activate(g, ranked(x, 2), name),
    );
    expect(furthest(values, expected)).toBeLessThan(1e-5);
  });

  it("names an activation that it does not know", () => {
    const info = { dims: [1] };
    const build = () => activate(new Ops([["x", info]]), { id: 0, info, rank: 2 }, "xielu");
    expect(build).toThrow(UnsupportedModelError);
    expect(build).toThrow('activation "xielu" is not supported');
  });
});
