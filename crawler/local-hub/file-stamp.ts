import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { isMissing } from "../is-missing.ts";

/**
 * Tells a file from its replacement without reading it. Size and modification time alone miss a same-sized file that was
 * renamed into place with an old time; the inode and the change time, which no program can set, catch it.
 */
export const fileStamp = ({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string =>
  `${size}-${mtimeNs}-${ctimeNs}-${ino}`;

/** The stamp of the file at a path, undefined where there is none. */
export async function stampOf(path: string): Promise<string | undefined> {
  try {
    return fileStamp(await stat(path, { bigint: true }));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
