import type { TensorInfo } from "../../crawler/export/graph.ts";
import type { Candidate, ChainBlock, ChainRoot } from "./candidate.ts";
import type { ByteRate } from "./extent.ts";

/** An intermediate result: what a block puts out for an item, or at a root the preprocessed item itself. */
export interface TreeNode {
  /** The prefix id, or the root's key. */
  readonly id: string;
  /** Shape of the result for an item. */
  readonly info: TensorInfo;
  readonly bytes: ByteRate;
  /** A root that stays until its whole tree has run. */
  readonly isKept: boolean;
  /** The block on the edge that leads here; null at a root. */
  readonly block: ChainBlock | null;
  readonly parent: TreeNode | null;
  readonly children: ReadonlyMap<string, TreeNode>;
  /** The models whose feature this is. */
  readonly models: ReadonlySet<string>;
  /** How many models' chains pass through here or end here. */
  readonly chains: number;
}

interface MutableNode extends TreeNode {
  readonly parent: MutableNode | null;
  readonly children: Map<string, MutableNode>;
  readonly models: Set<string>;
  chains: number;
}

/**
 * The task tree: a trie of the candidates' chains, one tree for each preprocessing. A node is an intermediate result,
 * an edge a block. Adding and removing a model take time proportional to its chain.
 */
export class TaskTree {
  readonly #roots = new Map<string, MutableNode>();
  readonly #leaves = new Map<string, MutableNode>();
  readonly #share: boolean;

  /** @param share whether equal prefixes become one path; without it each model is a tree of its own */
  constructor(candidates: Iterable<Candidate> = [], { share = true }: { readonly share?: boolean } = {}) {
    this.#share = share;
    for (const candidate of candidates) this.add(candidate);
  }

  get roots(): readonly TreeNode[] {
    return [...this.#roots.values()];
  }

  get size(): number {
    return this.#leaves.size;
  }

  add(candidate: Candidate): void {
    if (this.#leaves.has(candidate.modelId)) throw new Error(`${candidate.modelId} is in the tree already`);
    let node = this.#root(
      candidate.root,
      this.#share ? candidate.root.key : `${candidate.root.key} ${candidate.modelId}`,
    );
    node.chains++;
    for (const block of candidate.blocks) {
      let next = node.children.get(block.prefixId);
      if (!next) node.children.set(block.prefixId, (next = blockNode(block, node)));
      node = next;
      node.chains++;
    }
    node.models.add(candidate.modelId);
    this.#leaves.set(candidate.modelId, node);
  }

  remove(modelId: string): void {
    const leaf = this.#leaves.get(modelId);
    if (!leaf) throw new Error(`${modelId} is not in the tree`);
    this.#leaves.delete(modelId);
    leaf.models.delete(modelId);
    for (let node: MutableNode | null = leaf; node; node = node.parent) {
      node.chains--;
      if (node.chains > 0) continue;
      if (node.parent) node.parent.children.delete(node.id);
      else for (const [key, root] of this.#roots) if (root === node) this.#roots.delete(key);
    }
  }

  #root(root: ChainRoot, key: string): MutableNode {
    let node = this.#roots.get(key);
    if (!node) this.#roots.set(key, (node = rootNode(root)));
    return node;
  }
}

const empty = () => ({ children: new Map<string, MutableNode>(), models: new Set<string>(), chains: 0 });

const rootNode = ({ key, info, bytes, isKept }: ChainRoot): MutableNode => ({
  ...empty(),
  id: key,
  info,
  bytes,
  isKept,
  block: null,
  parent: null,
});

const blockNode = (block: ChainBlock, parent: MutableNode): MutableNode => ({
  ...empty(),
  id: block.prefixId,
  info: block.output,
  bytes: block.outputBytes,
  isKept: false,
  block,
  parent,
});
