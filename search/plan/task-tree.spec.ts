import { describe, expect, it } from "vitest";
import { candidateOf } from "../../test/plan/tree-fixtures.ts";
import { fuseSegments, type SegmentNode } from "./segment-tree.ts";
import { TaskTree } from "./task-tree.ts";

const shape = (node: SegmentNode): unknown => ({
  blocks: node.blocks.map(({ name }) => name).join(" "),
  models: node.models,
  children: node.children.map(shape),
});

describe("TaskTree", () => {
  const candidates = [
    candidateOf("a", "stem"),
    candidateOf("b", "stew"),
    candidateOf("c", "stew"),
    candidateOf("d", "x"),
  ];

  it("runs a shared prefix once, and fuses what does not branch", () => {
    const [root] = new TaskTree(candidates).roots.map((root) => fuseSegments(root));
    expect(root && shape(root)).toEqual({
      blocks: "",
      models: [],
      children: [
        {
          blocks: "s0 t1 e2",
          models: [],
          children: [
            { blocks: "m3 head4", models: ["a"], children: [] },
            { blocks: "w3 head4", models: ["b", "c"], children: [] },
          ],
        },
        { blocks: "x0 head1", models: ["d"], children: [] },
      ],
    });
  });

  it("is a tree for each model where nothing is shared", () => {
    const trees = new TaskTree(candidates, { share: false }).roots.map((root) => fuseSegments(root));
    expect(trees.map((tree) => tree.children.map((child) => child.models))).toEqual([
      [["a"]],
      [["b"]],
      [["c"]],
      [["d"]],
    ]);
  });

  it("is a tree for each preprocessing", () => {
    const other = candidateOf("e", "stem", { root: "other" });
    expect(new TaskTree([...candidates, other]).roots.map(({ id }) => id)).toEqual(["root", "other"]);
  });

  it("is the same after adding and removing as when built anew", () => {
    const tree = new TaskTree(candidates);
    tree.remove("b");
    tree.remove("d");
    const rebuilt = new TaskTree(candidates.filter(({ modelId }) => modelId === "a" || modelId === "c"));
    expect(tree.roots.map((root) => fuseSegments(root))).toEqual(rebuilt.roots.map((root) => fuseSegments(root)));
    tree.remove("a");
    tree.remove("c");
    expect(tree.roots).toEqual([]);
    expect(tree.size).toBe(0);
  });

  it("refuses a model twice, and one that is not there", () => {
    const tree = new TaskTree(candidates);
    expect(() => tree.add(candidateOf("a", "stem"))).toThrow("a is in the tree already");
    expect(() => tree.remove("z")).toThrow("z is not in the tree");
  });
});
