import type { Segment } from "./step.ts";

/** Bytes a second at which onnxruntime opens a session with weights as constants: it lays them out for the machine. */
const OPEN_RATE = 0.5e9;
/** Bytes a second at which weights that are inputs are read, and laid out where that is needed. */
const READ_RATE = 2e9;
/** Operations a second, and by which share a graph runs slower with weights as inputs. */
const FLOP_RATE = 1e11;
const SLOWER = 0.05;

/**
 * Whether a segment's weights are better constants or inputs of its graph: constants cost when a session is opened,
 * inputs a little with every item. The rates are those of a small machine (docs/performance.md); only their ratios matter.
 * @param items how many go through the segment in the plan
 */
export function chooseWeights(
  { blocks, weightBytes }: Pick<Segment, "blocks" | "weightBytes">,
  items: number,
): Segment["weights"] {
  if (!blocks.every(({ takesWeights }) => takesWeights)) return "constants";
  const flops = items * blocks.reduce((sum, { flopsPerItem }) => sum + flopsPerItem, 0);
  const opening = weightBytes / OPEN_RATE - weightBytes / READ_RATE;
  return opening > (SLOWER * flops) / FLOP_RATE ? "inputs" : "constants";
}
