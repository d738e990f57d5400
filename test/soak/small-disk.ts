import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A disk of its own that is full soon. */
export interface SmallDisk extends AsyncDisposable {
  grow(mebibytes: number): Promise<void>;
}

/** Mounts a file system in memory at a folder; null where this system or this user cannot: it takes root on Linux. */
export async function openSmallDisk(folder: string, mebibytes: number): Promise<SmallDisk | null> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
  await mkdir(folder, { recursive: true });
  const mount = (options: string) => run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
  const isMounted = await mount(`size=${mebibytes}m`).then(
    () => true,
    () => false, // a container may lack the right to
  );
  if (!isMounted) return null;
  return {
    async grow(to) {
      await mount(`remount,size=${to}m`);
    },
    async [Symbol.asyncDispose]() {
      await run("umount", [folder]);
    },
  };
}
