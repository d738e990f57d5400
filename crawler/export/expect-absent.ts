import { CheckpointError } from "../errors.ts";
import type { Params } from "./params.ts";

/**
 * @param setting what config.json says, in words
 * @throws CheckpointError when the checkpoint has modules that the configuration denies
 */
export function expectAbsent(p: Params, path: string, setting: string): void {
  if (p.has(path)) throw new CheckpointError(`checkpoint has "${path}", but config.json says ${setting}`);
}
