import { hash, randomUUID } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { Precision } from "../../crawler/export/precision.ts";
import { writeFully } from "../../indexer/store/write-fully.ts";
import { markUsed } from "../mark-used.ts";
import { rangeLength, type ItemRange } from "../plan/step.ts";

/**
 * The features of models on ranges of a data set, kept on disk between rounds and searches:
 * `<home>/cache/features/<key>.f32`, float32 rows in the order of the range. The key binds the feature (model and
 * preprocessing, and what it was computed in) to the items' contents, so a file never goes stale. A file is there when its
 * range is complete. All lie in one folder: a folder takes as long to make as a file, and file systems look names up by hash. It ends in a checksum instead of being synced to the disk: after a crash, a damaged one counts as not
 * there. Files are small and there are many: reading and writing blocks the thread, which takes a tenth of the time that it
 * takes threads to do it for this one.
 */
export interface FeatureStore {
  has(feature: string, range: ItemRange): Promise<boolean>;
  /** @returns rows of all items of the range, one after the other */
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
  readonly file: number;
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

/** The bytes of the rows in a file, or null when it is not whole. */
function rowBytesOf(file: Buffer, range: ItemRange): Buffer | null {
  const end = file.byteLength - CHECKSUM_BYTES;
  if (end <= 0 || end % (4 * rangeLength(range)) !== 0) return null;
  const bytes = file.subarray(0, end);
  return crc32(bytes) === file.readUInt32LE(end) ? bytes : null;
}

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** Bytes that are written before others get their turn. */
const WRITE_BYTES = 2 ** 20;

async function writeInTurns(file: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; done += WRITE_BYTES) {
    if (done > 0) await setImmediate();
    writeFully(file, bytes.subarray(done, done + WRITE_BYTES));
  }
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
  const halfWritten = join(folder, "tmp");
  let isMade = false;
  const pathOf = (feature: string, range: ItemRange): string => {
    const key = hash("sha256", `${feature}\n${rangeKey(range)}${precision === "fp32" ? "" : `\n${precision}`}`);
    return join(folder, `${key}.f32`);
  };
  return {
    async has(feature, range) {
      const path = pathOf(feature, range);
      if (!existsSync(path)) return false; // most aren't there, and a failure takes longer than to look
      const file = readIfThere(path);
      if (file && rowBytesOf(file, range)) return true;
      if (file) rmSync(path, { force: true });
      return false;
    },
    read(feature, range) {
      const path = pathOf(feature, range);
      const bytes = rowBytesOf(readFileSync(path), range);
      if (!bytes) throw new Error(`${path} is damaged; delete it and run again`);
      void markUsed(path);
      return new Float32Array(Uint8Array.from(bytes).buffer);
    },
    async append(feature, range, items, rows) {
      const path = pathOf(feature, range);
      let part = open.get(path);
      if (!part) {
        if (!isMade) mkdirSync(halfWritten, { recursive: true });
        isMade = true;
        open.set(path, (part = startRange(halfWritten, range)));
      }
      if (items.begin < part.next) return; // models that share a feature but not the work bring it twice
      if (items.begin > part.next) throw new Error(`features of item ${part.next} come after those of ${items.begin}`);
      const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      part.checksum = crc32(bytes, part.checksum);
      part.next = items.end;
      await writeInTurns(part.file, bytes);
      if (part.next < range.end) return;
      writeFully(part.file, checksumBytes(part.checksum));
      open.delete(path);
      closeSync(part.file);
      renameSync(part.path, path);
    },
    async close() {
      for (const part of open.values()) {
        closeSync(part.file);
        rmSync(part.path, { force: true });
      }
      open.clear();
    },
  };
}

function startRange(folder: string, range: ItemRange): OpenRange {
  const path = join(folder, `${randomUUID()}.f32`);
  return { path, file: openSync(path, "wx"), next: range.begin, checksum: 0 };
}
