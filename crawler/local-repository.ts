import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { CheckpointError, InputError } from "./errors.ts";
import type { Repository, RepositoryFile } from "./repository.ts";

/** Model folders hold some tens of files; a folder with more than this is not one. */
const MAX_FILES = 10_000;
/** Large enough that a disk is read at its speed; larger ones gained nothing. The stream holds two of them. */
const READ_BYTES = 256 * 1024;

/**
 * Opens a folder on disk that holds a model in the form of a hub repository (config.json beside its weights).
 * @throws InputError when there is no such folder
 */
export async function openLocalRepository(folder: string): Promise<Repository> {
  const root = resolve(folder);
  const info = await stat(root).catch(() => null);
  if (!info?.isDirectory()) throw new InputError(`no folder ${JSON.stringify(folder)}`);
  const names = (await readdir(root, { recursive: true })).sort().slice(0, MAX_FILES);
  const files: RepositoryFile[] = [];
  const identity = createHash("sha1");
  for (const name of names) {
    const entry = await stat(join(root, name));
    if (!entry.isFile()) continue;
    files.push({ path: name, size: entry.size, sha256: null, etag: null, xetHash: null });
    identity.update(JSON.stringify([name, entry.size, entry.mtimeMs]));
  }
  const pathOf = (path: string): string => {
    if (!files.some((file) => file.path === path))
      throw new CheckpointError(`no file ${JSON.stringify(path)} in ${root}`);
    return join(root, path);
  };
  return {
    id: basename(root),
    revision: identity.digest("hex"),
    listFiles: () => Promise.resolve(files),
    async readFile(path, maxBytes) {
      const handle = await open(pathOf(path));
      try {
        const { size } = await handle.stat();
        if (size > maxBytes) throw new CheckpointError(`${path} has ${size} bytes, the limit is ${maxBytes}`);
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    },
    async *readRange(path, begin, end, signal) {
      if (end <= begin) return;
      const options = { start: begin, end: end - 1, highWaterMark: READ_BYTES, signal };
      yield* createReadStream(pathOf(path), options) as AsyncIterable<Uint8Array>;
    },
  };
}
