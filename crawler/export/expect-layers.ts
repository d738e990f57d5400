import { CheckpointError } from "../errors.ts";
import type { Params } from "./params.ts";
import { range } from "./architecture.ts";

/**
 * The indexes of a list of modules whose length config.json states.
 * @throws CheckpointError when the checkpoint holds another number of them
 */
export function expectLayers(p: Params, path: (index: number) => string, expected: number): number[] {
  const found = p.count(path);
  if (found !== expected) {
    throw new CheckpointError(
      `config.json tells of ${expected} modules like "${path(0)}", the checkpoint has ${found}`,
    );
  }
  return range(found);
}
