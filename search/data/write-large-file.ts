import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { publishFile } from "../../indexer/store/durable-file.ts";

/** A file that a stopped run left half-written. An hour without a write: no other run is still at it. */
const ABANDONED_AFTER_MS = 3_600_000;

/**
 * Writes a file bit by bit so that it is either there and whole or not there: beside its place, synced, then renamed.
 * Removes what earlier runs that were killed left of the same file.
 */
export async function writeLargeFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await removeAbandoned(path);
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await publishFile(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function removeAbandoned(path: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(".tmp")) continue;
    const left = join(dirname(path), name);
    const written = await stat(left).catch(() => undefined);
    if (written && Date.now() - written.mtimeMs > ABANDONED_AFTER_MS) await rm(left, { force: true });
  }
}
