import { CheckpointError } from "../errors.ts";
import type { TensorRef } from "./graph.ts";
import type { Params } from "./params.ts";

/**
 * A tensor of the shape that follows from config.json.
 * @throws CheckpointError naming the tensor when it has another one, or is not there
 */
export function expectTensor(p: Params, path: string, shape: readonly number[]): TensorRef {
  const tensor = p.tensor(path);
  if (tensor.shape.length !== shape.length || tensor.shape.some((dim, axis) => dim !== shape[axis])) {
    const [found, asked] = [tensor.shape, shape].map((dims) => `[${dims.join(", ")}]`);
    throw new CheckpointError(`tensor "${tensor.name}" has shape ${found}, config.json asks for ${asked}`);
  }
  return tensor;
}

/**
 * Where a backbone's own names start: below the first of some prefixes (a task model's name for it, or nothing) under
 * which there is a tensor or module `probe`.
 * @throws CheckpointError when there is none
 */
export function findBackbone(root: Params, prefixes: readonly string[], probe: string): Params {
  const found = prefixes.map((prefix) => root.at(prefix)).find((p) => p.has(probe));
  if (found) return found;
  const paths = prefixes.map((prefix) => `"${prefix === "" ? "" : `${prefix}.`}${probe}"`);
  throw new CheckpointError(`checkpoint has no tensors below ${paths.join(" or ")}`);
}
