import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { fileStamp } from "./file-stamp.ts";
import type { FileLocation } from "./reply.ts";

export interface ListedFile {
  /** Path inside the repository, with `/` between its parts on every system. */
  readonly path: string;
  readonly size: number;
  readonly location: FileLocation;
}

export interface ListedFolder {
  readonly files: readonly ListedFile[];
  /** When a file or folder last changed: also a removed file leaves a trace, in the time of its folder. */
  readonly changedAtMs: number;
  /** Changes whenever any file does. */
  readonly stamp: string;
}

/** Lists all files below a folder, by path. Links are left out: one could lead out of the folder that is served. */
export async function listFolder(folder: string): Promise<ListedFolder> {
  const files: ListedFile[] = [];
  let changedAtMs = 0;

  async function visit(directory: string, prefix: string): Promise<void> {
    changedAtMs = Math.max(changedAtMs, (await lstat(directory)).mtimeMs);
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const location = path.join(directory, entry.name);
      if (entry.isDirectory() && entry.name !== ".git") await visit(location, `${prefix}${entry.name}/`);
      if (!entry.isFile() || entry.name.includes("\\")) continue;
      const stats = await lstat(location, { bigint: true });
      changedAtMs = Math.max(changedAtMs, Number(stats.mtimeMs));
      files.push({
        path: prefix + entry.name,
        size: Number(stats.size),
        location: { path: location, stamp: fileStamp(stats) },
      });
    }
  }

  await visit(folder, "");
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const hash = createHash("sha1");
  for (const file of files) hash.update(`${file.path}\0${file.location.stamp}\0`);
  return { files, changedAtMs: Math.floor(changedAtMs), stamp: hash.digest("hex") };
}
