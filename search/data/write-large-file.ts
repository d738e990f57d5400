import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** A file that a stopped run left half-written. An hour without a write: no other run is still at it. */
const ABANDONED_AFTER_MS = 3_600_000;

/** A file that is whole and in its place. */
export interface LargeFile {
  /** Resolves when it will be whole after a power loss too; takes as long as the disk does. */
  readonly synced: Promise<void>;
}

/** A name beside a file's, for it to be written under. */
export const temporaryPath = (path: string): string => `${path}.${randomUUID()}.tmp`;

/**
 * Writes a file bit by bit so that it is either there and whole or not there, as long as the machine runs: beside its
 * place, then renamed. Removes what earlier runs that were killed left of the same file.
 * @param temporary where it lies meanwhile: a `temporaryPath`
 */
export async function writeLargeFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  temporary = temporaryPath(path),
): Promise<LargeFile> {
  await mkdir(dirname(path), { recursive: true });
  await removeAbandoned(path);
  const file = await open(temporary, "wx");
  try {
    await write(file);
    await rename(temporary, path);
  } catch (cause) {
    await file.close();
    await rm(temporary, { force: true });
    throw cause;
  }
  const synced = file.sync().finally(() => file.close());
  synced.catch(() => undefined); // seen by those who wait for it
  return { synced };
}

async function removeAbandoned(path: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(".tmp")) continue;
    const left = join(dirname(path), name);
    const written = await stat(left).catch(() => undefined);
    if (written && Date.now() - written.mtimeMs > ABANDONED_AFTER_MS) await rm(left, { force: true });
  }
}
