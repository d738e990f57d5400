import type { TensorInfo } from "../../crawler/export/graph.ts";
import {
  chainWriter,
  writeOnnx,
  type ChainInput,
  type ChainOptions,
  type ChainWriter,
  type GraphWithWeights,
} from "../../crawler/export/write-onnx.ts";
import type { Segment } from "../plan/step.ts";
import type { RootInputs } from "./root-inputs.ts";

/**
 * Whether a segment has convolutions and no matrix products: onnxruntime lays out the weights of convolutions when it
 * optimises the graph. Those of matrix products are as fast as they lie (docs/performance.md).
 */
export const isConvolutional = (chain: readonly GraphWithWeights[]): boolean =>
  chain.every(({ graph }) => graph.nodes.every(({ operator }) => operator !== "linear" && operator !== "attend"));

type SegmentOptions = Pick<ChainOptions, "precision" | "weightsInPlace">;

/** A segment as one ONNX graph, input `x`, output `y`. */
export function writeSegment(
  chain: readonly GraphWithWeights[],
  segment: Segment,
  root: RootInputs,
  options: SegmentOptions,
): Uint8Array {
  return writeOnnx(chain, chainOptions(chain, segment, root, options)).bytes;
}

/** As `writeSegment`, for all segments that differ from this one in their weights alone. */
export function segmentWriter(
  chain: readonly GraphWithWeights[],
  segment: Segment,
  root: RootInputs,
  options: SegmentOptions,
): ChainWriter {
  return chainWriter(chain, chainOptions(chain, segment, root, options));
}

function chainOptions(
  chain: readonly GraphWithWeights[],
  segment: Segment,
  root: RootInputs,
  options: SegmentOptions,
): ChainOptions {
  const further = furtherInputs(chain).map((name) => tokenInput(name, segment.input.dims[0] ?? 0));
  return { graphName: "segment", inputs: [segmentInput(segment, root), ...further], outputName: "y", ...options };
}

const tokenInput = (name: string, length: number): ChainInput => ({
  value: { name, type: "int64", dims: ["batch", "length"] },
  info: { dims: [length] },
});

function segmentInput({ isFirst, input }: Segment, root: RootInputs): ChainInput {
  if (root.kind === "pictures") {
    const dims = ["batch", ...input.dims];
    return isFirst
      ? { value: { name: "x", type: "uint8", dims }, info: input, pixels: root }
      : { value: { name: "x", type: "float", dims }, info: input };
  }
  // texts differ in length; what follows the tokens' axis is fixed
  const dims = ["batch", ...(isFirst || input.dims.length === 2 ? ["length", ...input.dims.slice(1)] : input.dims)];
  return { value: { name: "x", type: isFirst ? "int64" : "float", dims }, info: input };
}

/** What the blocks of a segment read beside its value: a text's mask, by the name of the graph's input. */
export const furtherInputs = (chain: readonly GraphWithWeights[]): string[] => [
  ...new Set(chain.flatMap(({ graph }) => graph.inputs.slice(1))),
];

/** Shape of an item's result, where texts differ in length. @param length tokens of the batch; null for pictures */
export const outputDims = ({ dims }: TensorInfo, length: number | null): readonly number[] =>
  length !== null && dims.length === 2 ? [length, ...dims.slice(1)] : dims;
