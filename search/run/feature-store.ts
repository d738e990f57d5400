import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { Precision } from "../../crawler/export/precision.ts";
import { markUsed } from "../mark-used.ts";
import { rangeLength, type ItemRange } from "../plan/step.ts";

/**
 * The features of models on ranges of a data set, kept on disk between rounds and searches:
 * `<home>/cache/features/ab/<key>.f32`, float32 rows in the order of the range. The key binds the feature (model and
 * preprocessing, and what it was computed in) to the items' contents, so a file never goes stale. A file is there when its range is complete. It ends
 * in a checksum instead of being synced to the disk: after a crash, a damaged one counts as not there.
 */
export interface FeatureStore {
  has(feature: string, range: ItemRange): Promise<boolean>;
  /** Blocks the thread: it is one of those that score. @returns rows of all items of the range, one after the other */
  read(feature: string, range: ItemRange): Float32Array;
  /**
   * Adds the rows of some items of a range; they come in order, and the last ones complete the range.
   * @param rows one row an item
   */
  append(feature: string, range: ItemRange, items: ItemRange, rows: Float32Array): Promise<void>;
  /** Forgets ranges that are not complete. */
  close(): Promise<void>;
}

interface OpenRange {
  readonly path: string;
  readonly file: FileHandle;
  next: number;
  /** Of the rows so far. */
  checksum: number;
}

const CHECKSUM_BYTES = 4;

function checksumBytes(checksum: number): Uint8Array {
  const bytes = Buffer.alloc(CHECKSUM_BYTES);
  bytes.writeUInt32LE(checksum);
  return bytes;
}

/** The rows of a file, or null when it is not whole. */
function rowsOf(file: Buffer, range: ItemRange): Float32Array | null {
  const end = file.byteLength - CHECKSUM_BYTES;
  if (end <= 0 || end % (4 * rangeLength(range)) !== 0) return null;
  if (crc32(file.subarray(0, end)) !== file.readUInt32LE(end)) return null;
  return new Float32Array(Uint8Array.from(file.subarray(0, end)).buffer);
}

/**
 * @param rangeKey names the items of a range by their contents
 * @param precision what the features are computed in: those of one are never taken for those of another
 */
export function openFeatureStore(
  home: string,
  rangeKey: (range: ItemRange) => string,
  precision: Precision = "fp32",
): FeatureStore {
  const folder = join(home, "cache", "features");
  const open = new Map<string, OpenRange>();
  const folders = new Map<string, Promise<unknown>>();
  const madeFolder = async (path: string): Promise<string> => {
    const making = folders.get(path) ?? mkdir(path, { recursive: true });
    folders.set(path, making);
    await making;
    return path;
  };
  const pathOf = (feature: string, range: ItemRange): string => {
    const key = createHash("sha256")
      .update(`${feature}\n${rangeKey(range)}${precision === "fp32" ? "" : `\n${precision}`}`)
      .digest("hex");
    return join(folder, key.slice(0, 2), `${key}.f32`);
  };
  return {
    async has(feature, range) {
      const path = pathOf(feature, range);
      if (!existsSync(path)) return false; // most aren't there, and nobody has to wait for a turn to be told so
      const bytes = await readFile(path).catch(() => null);
      if (bytes && rowsOf(bytes, range)) return true;
      if (bytes) await rm(path, { force: true });
      return false;
    },
    read(feature, range) {
      const path = pathOf(feature, range);
      const rows = rowsOf(readFileSync(path), range);
      if (!rows) throw new Error(`${path} is damaged; delete it and run again`);
      void markUsed(path);
      return rows;
    },
    async append(feature, range, items, rows) {
      const path = pathOf(feature, range);
      let part = open.get(path);
      if (!part) open.set(path, (part = await startRange(await madeFolder(join(folder, "tmp")), range)));
      if (items.begin < part.next) return; // models that share a feature but not the work bring it twice
      if (items.begin > part.next) throw new Error(`features of item ${part.next} come after those of ${items.begin}`);
      const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      await part.file.appendFile(bytes);
      part.checksum = crc32(bytes, part.checksum);
      part.next = items.end;
      if (part.next < range.end) return;
      open.delete(path);
      await part.file.appendFile(checksumBytes(part.checksum));
      await part.file.close();
      await madeFolder(dirname(path));
      await rename(part.path, path);
    },
    async close() {
      for (const part of open.values()) {
        await part.file.close();
        await rm(part.path, { force: true });
      }
      open.clear();
    },
  };
}

async function startRange(folder: string, range: ItemRange): Promise<OpenRange> {
  const path = join(folder, `${randomUUID()}.f32`);
  return { path, file: await open(path, "wx"), next: range.begin, checksum: 0 };
}
