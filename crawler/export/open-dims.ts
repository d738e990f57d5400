import type { TensorInfo } from "./graph.ts";

/**
 * Dimensions as an ONNX file declares them that takes pictures of any size: height and width of feature maps and the
 * number of tokens are open.
 */
export function openDims({ dims }: TensorInfo): (number | string)[] {
  const [first = 0, second = 0] = dims;
  if (dims.length === 3) return [first, "height", "width"];
  return dims.length === 2 ? ["tokens", second] : [...dims];
}
