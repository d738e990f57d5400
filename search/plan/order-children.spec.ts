import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FIGURE_9, toSegmentNode, type PlainTree } from "../../test/plan/tree-fixtures.ts";
import { orderChildren, type OrderedNode } from "./order-children.ts";
import type { SegmentNode } from "./segment-tree.ts";

const bytes = {
  result: (node: SegmentNode) => node.bytes.perItem,
  weights: (node: SegmentNode) => node.weightBytes,
};

const preorder = (node: OrderedNode): string[] => [node.id, ...node.children.flatMap(preorder)];

/** Peak of one depth-first execution: children in the given order, a result released after its last child has run. */
function peakOf(node: SegmentNode): number {
  let live = 0;
  let peak = 0;
  const take = (amount: number) => (peak = Math.max(peak, (live += amount)));
  const visit = (current: SegmentNode): void => {
    current.children.forEach((child, index) => {
      take(child.weightBytes + child.bytes.perItem);
      live -= child.weightBytes;
      if (index === current.children.length - 1) live -= current.bytes.perItem;
      visit(child);
    });
    if (current.children.length === 0) live -= current.bytes.perItem;
  };
  take(node.bytes.perItem);
  visit(node);
  return peak;
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((item, index) => permutations(list.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

/** Every depth-first order of a tree. */
function orders(node: SegmentNode): SegmentNode[] {
  return permutations(node.children).flatMap((children) =>
    children
      .map(orders)
      .reduce<SegmentNode[][]>((sofar, options) => sofar.flatMap((list) => options.map((o) => [...list, o])), [[]])
      .map((list) => ({ ...node, children: list })),
  );
}

describe("orderChildren", () => {
  it("finds the paper's order of its figure 9, and its peak", () => {
    const ordered = orderChildren(toSegmentNode(FIGURE_9), bytes);
    expect(["01367254", "01376254"]).toContain(preorder(ordered).join("")); // 6 and 7 tie
    expect(ordered.need).toBe(15);
    const [one] = ordered.children;
    expect(one?.children.map((child) => [child.id, child.need])).toEqual([
      ["3", 6],
      ["2", 10],
    ]);
  });

  it("is as good as the best of all depth-first orders", () => {
    const node = (depth: number): fc.Arbitrary<PlainTree> =>
      fc.record({
        id: fc.uuid(),
        size: fc.integer({ min: 0, max: 20 }),
        weights: fc.integer({ min: 0, max: 10 }),
        children: depth === 0 ? fc.constant([]) : fc.array(node(depth - 1), { maxLength: 3 }),
      });
    fc.assert(
      fc.property(node(2), (tree) => {
        const plain = toSegmentNode(tree);
        const ordered = orderChildren(plain, bytes);
        expect(peakOf(ordered)).toBe(ordered.need);
        expect(ordered.need).toBe(Math.min(...orders(plain).map(peakOf)));
      }),
      { numRuns: 300 },
    );
  });
});
