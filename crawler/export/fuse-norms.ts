import type { BlockGraph, GraphNode } from "./graph.ts";

/**
 * Makes one `normedConv` of each convolution whose value goes to a batch norm and nowhere else. In float32 onnxruntime
 * does the same by itself. In float16 the value between them must not be rounded: where a channel's mean is large beside
 * its deviation, little would be left behind the norm.
 */
export function fuseNorms(graph: BlockGraph): BlockGraph {
  const uses = new Map<number, number>();
  for (const value of [...graph.nodes.flatMap(({ inputs }) => inputs), graph.output]) {
    uses.set(value, (uses.get(value) ?? 0) + 1);
  }
  const makerOf = (value: number): GraphNode | undefined => graph.nodes[value - graph.inputs.length];
  const fusable = ({ operator, inputs: [x = -1] }: GraphNode): GraphNode | null => {
    const maker = operator === "batchNorm" && uses.get(x) === 1 ? makerOf(x) : undefined;
    return maker?.operator === "conv" ? maker : null;
  };
  const fused = new Set(graph.nodes.map(fusable));
  const nodes: GraphNode[] = [];
  const places = graph.inputs.map((_name, index) => index);
  const moved = (value: number): number => places[value] ?? -1;
  for (const node of graph.nodes) {
    if (fused.has(node)) {
      places.push(-1); // nothing reads it any more
      continue;
    }
    const conv = fusable(node);
    const joined: GraphNode = conv
      ? {
          operator: "normedConv",
          inputs: conv.inputs,
          slots: [...conv.slots, ...node.slots],
          attributes: { ...conv.attributes, ...node.attributes },
        }
      : node;
    places.push(graph.inputs.length + nodes.push({ ...joined, inputs: joined.inputs.map(moved) }) - 1);
  }
  return { ...graph, nodes, output: moved(graph.output) };
}
