import type { FileTerm } from "./xet/file-term.ts";

/** A file of a model repository, as its listing tells. Paths are the hub's words: never use one as a local path. */
export interface RepositoryFile {
  readonly path: string;
  readonly size: number;
  /** sha256 of a large file, as hex; small files have none. */
  readonly sha256: string | null;
  readonly etag: string | null;
  readonly xetHash: string | null;
}

/** One revision of a model's files, on a hub or in a local folder. Every read is pinned to the revision. */
export interface Repository {
  readonly id: string;
  /** The 40-hex commit; for a local folder, a hash of its file list. */
  readonly revision: string;
  listFiles(signal?: AbortSignal): Promise<readonly RepositoryFile[]>;
  /**
   * Reads a whole small file.
   * @throws CheckpointError when it is larger than `maxBytes`
   */
  readFile(path: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Streams bytes `begin` (included) to `end` (excluded) of a file, in order, whole or with an error. */
  readRange(path: string, begin: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * What a file is made of, where the hub tells before it is read; null where it does not. Chunks that were read since
   * have their lengths.
   */
  listTerms?(path: string, signal?: AbortSignal): Promise<readonly FileTerm[] | null>;
}
