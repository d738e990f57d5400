import type { Checkpoint } from "../checkpoint/open-checkpoint.ts";
import { CheckpointError } from "../errors.ts";
import type { TensorRef } from "./graph.ts";

/** No real model has a deeper list of like modules; a checkpoint that claims more is refused. */
export const MAX_LAYERS = 1000;

/** A cursor over the names of a checkpoint: shapes are known, no weights are touched. */
export interface Params {
  /** The names below `path`. */
  at(path: string): Params;
  /** Whether a tensor of that name, or tensors below it, are there. */
  has(path: string): boolean;
  /** How many of path(0), path(1), … are there without a gap. */
  count(path: (index: number) => string): number;
  /** @throws CheckpointError naming the tensor when it is not there, or has another number of axes than `rank` */
  tensor(path: string, rank?: number): TensorRef;
}

/** @throws CheckpointError from its methods, naming the tensor that is missing */
export function paramsOf(checkpoint: Checkpoint): Params {
  const prefixes = new Set<string>();
  for (const name of checkpoint.tensors.keys()) {
    for (let dot = name.length; dot > 0; dot = name.lastIndexOf(".", dot - 1)) prefixes.add(name.slice(0, dot));
  }
  const cursor = (base: string): Params => {
    const full = (path: string) => (base === "" ? path : path === "" ? base : `${base}.${path}`);
    return {
      at: (path) => cursor(full(path)),
      has: (path) => prefixes.has(full(path)),
      count(path) {
        let index = 0;
        while (prefixes.has(full(path(index)))) {
          if (++index > MAX_LAYERS)
            throw new CheckpointError(`more than ${MAX_LAYERS} modules like "${full(path(0))}"`);
        }
        return index;
      },
      tensor(path, rank) {
        const name = full(path);
        const tensor = checkpoint.tensors.get(name);
        if (!tensor) throw new CheckpointError(`checkpoint has no tensor "${name}"`);
        if (rank !== undefined && tensor.shape.length !== rank) {
          throw new CheckpointError(`tensor "${name}" has shape [${tensor.shape.join(", ")}], expected ${rank} axes`);
        }
        return { name, shape: tensor.shape };
      },
    };
  };
  return cursor("");
}
