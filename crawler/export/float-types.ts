import { DATA_TYPES, type OnnxAttribute, type OnnxNode } from "./onnx-model.ts";
import type { Precision } from "./precision.ts";

export type FloatType = "float" | "float16";

/** What they put out is not of their inputs' type. */
const NEVER_FLOAT: ReadonlySet<string> = new Set(["Shape", "Equal", "Not"]);

/**
 * Which values of a file are float32 and which float16, and the casts between them. At any time one of them is the type
 * that nodes are written in: inputs of the other type are cast, each value once. In a file of float32 nothing is ever cast.
 */
export class FloatTypes {
  readonly #nodes: OnnxNode[];
  readonly #types = new Map<string, FloatType>();
  #current: FloatType;

  /** @param nodes casts are added to them */
  constructor(precision: Precision, nodes: OnnxNode[]) {
    this.#current = precision === "fp16" ? "float16" : "float";
    this.#nodes = nodes;
  }

  get current(): FloatType {
    return this.#current;
  }

  /** Tells of a value that is no node's. */
  know(name: string, type: FloatType): void {
    this.#types.set(name, type);
  }

  /** Nodes are written in float32 while `work` runs. */
  exactly<T>(work: () => T): T {
    const before = this.#current;
    this.#current = "float";
    try {
      return work();
    } finally {
      this.#current = before;
    }
  }

  /** A node's inputs, as it can take them; values that are no floats stay as they are. */
  take(names: readonly string[]): readonly string[] {
    return names.map((name) => {
      const type = this.#types.get(name);
      return type === undefined || type === this.#current ? name : this.#cast(name);
    });
  }

  /** Tells of a node that was written. @param inputs as `take` gave them */
  made(
    name: string,
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
  ): void {
    if (opType === "Cast") {
      if (attributes["to"] === DATA_TYPES.float) this.#types.set(name, "float");
    } else if (!NEVER_FLOAT.has(opType) && inputs.some((input) => this.#types.has(input))) {
      this.#types.set(name, this.#current);
    }
  }

  #cast(name: string): string {
    const output = `${name}/${this.#current}`;
    if (this.#types.has(output)) return output;
    this.#nodes.push({
      opType: "Cast",
      name: output,
      inputs: [name],
      outputs: [output],
      attributes: { to: DATA_TYPES[this.#current] },
    });
    this.#types.set(output, this.#current);
    return output;
  }
}
