import type { Candidate, ChainBlock } from "../../search/plan/candidate.ts";
import type { SegmentNode } from "../../search/plan/segment-tree.ts";

/** A tree of results for tests of orders: sizes in bytes, weights left out. */
export interface PlainTree {
  readonly id: string;
  readonly size: number;
  readonly weights?: number;
  readonly children?: readonly PlainTree[];
}

export const toSegmentNode = ({ id, size, weights = 0, children = [] }: PlainTree): SegmentNode => ({
  id,
  info: { dims: [size] },
  bytes: { perItem: size, perToken: 0 },
  isKept: false,
  blocks: [],
  weightBytes: weights,
  on: "host",
  models: children.length === 0 ? [id] : [],
  children: children.map(toSegmentNode),
});

/** The paper's figure 9. */
export const FIGURE_9: PlainTree = {
  id: "0",
  size: 0,
  children: [
    {
      id: "1",
      size: 9,
      children: [
        {
          id: "2",
          size: 6,
          children: [
            { id: "4", size: 4 },
            { id: "5", size: 2 },
          ],
        },
        {
          id: "3",
          size: 4,
          children: [
            { id: "6", size: 2 },
            { id: "7", size: 2 },
          ],
        },
      ],
    },
  ],
};

/** A candidate whose chain is a path of block letters: equal prefixes of paths are shared. Sizes follow from depth. */
export function candidateOf(modelId: string, path: string, { root = "root", width = 100 } = {}): Candidate {
  let prefixId = root;
  const blocks = [...path, "head"].map((letter, depth): ChainBlock => {
    prefixId = `${prefixId}/${letter}`;
    const isHead = letter === "head";
    const dims = [isHead ? 4 : Math.max(4, width >> depth)];
    return {
      name: `${letter}${depth}`,
      prefixId,
      blockId: isHead ? null : `${letter}${depth}`,
      graphHash: `graph ${isHead ? "head" : depth}`,
      weightBytes: isHead ? 0 : 40 * (depth + 1),
      flopsPerItem: isHead ? 1 : 1000,
      output: { dims },
      outputBytes: { perItem: 4 * (dims[0] ?? 0), perToken: 0 },
      operators: [],
    };
  });
  return {
    modelId,
    revision: "0".repeat(40),
    root: { key: root, info: { dims: [width] }, bytes: { perItem: width, perToken: 0 }, isKept: false },
    blocks,
  };
}
