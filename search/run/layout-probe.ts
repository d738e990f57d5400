import { encodeOnnxModel, NCHWC_DOMAIN, type OnnxModel, type OnnxNode } from "../../crawler/export/onnx-model.ts";

const CHANNELS = 32;

const node = (opType: string, inputs: readonly string[], output: string, attributes = {}): OnnxNode => ({
  opType,
  name: output,
  inputs,
  outputs: [output],
  attributes,
  domain: NCHWC_DOMAIN,
});

const X = [1, CHANNELS, 1, 1];
const WEIGHT = [CHANNELS, CHANNELS, 1, 1];

/** A 1x1 convolution without a bias, its weight an input: `x` [1, n, 1, 1], `weight` [n, n, 1, 1]. */
const PROBE: OnnxModel = {
  graphName: "probe",
  inputs: [
    { name: "x", type: "float", dims: X },
    { name: "weight", type: "float", dims: WEIGHT },
  ],
  outputs: [{ name: "y", type: "float", dims: X }],
  nodes: [
    node("ReorderInput", ["x"], "blocked"),
    node("Conv", ["blocked", "weight"], "conv", { kernel_shape: [1, 1] }),
    node("ReorderOutput", ["conv"], "y", { channels: CHANNELS }),
  ],
  initializers: [],
};

/** A graph that shows how the blocked layout lies; it is written where writers of graphs are loaded anyway, not in lanes. */
export interface LayoutProbe {
  readonly model: Uint8Array;
  /** Of its values. */
  readonly channels: number;
}

/** For `probeBlockedLayout`. */
export const layoutProbe = (): LayoutProbe => ({ model: encodeOnnxModel(PROBE), channels: CHANNELS });
