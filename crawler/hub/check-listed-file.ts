import { CheckpointError } from "../errors.ts";
import type { RepositoryFile } from "../repository.ts";

/** What the hub's listing says of a file, as it comes: nothing of it has been checked. */
interface ListedEntry {
  readonly path?: unknown;
  readonly size?: unknown;
  readonly oid?: unknown;
  readonly xetHash?: unknown;
  readonly lfs?: { readonly oid?: unknown } | null | undefined;
}

/** git has no longer paths on the systems that models are uploaded from. */
const MAX_PATH_LENGTH = 4096;
/** Parts that lead elsewhere than below the repository, in an address or on any system's disk. */
const ODD_PATH = /(^|\/)\.{0,2}(\/|$)|\\|^[A-Za-z]:|[\p{Cc}\u2028-\u202e\u2066-\u2069]/u;
const SHA256 = /^[0-9a-f]{64}$/;

/** What may stand in JSON, in a word: values of the hub are not printed, whatever they say they are. */
const typeName = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "an array" : `of type ${typeof value}`;

/**
 * Checks an entry of a repository's listing. Paths become parts of addresses that carry the token, and rows that people
 * read, so those that could lead out of the repository or steer a terminal are refused.
 * @throws CheckpointError naming what is odd
 */
export function checkListedFile({ path, size, oid, xetHash, lfs }: ListedEntry): RepositoryFile {
  const shown = typeof path === "string" ? JSON.stringify(path.slice(0, 200)) : `a path that is ${typeName(path)}`;
  if (typeof path !== "string" || path.length > MAX_PATH_LENGTH || ODD_PATH.test(path)) {
    throw new CheckpointError(`the repository lists ${shown}, which is no path inside a repository`);
  }
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    const found = typeof size === "number" ? `a size of ${size} bytes` : `a size that is ${typeName(size)}`;
    throw new CheckpointError(`the repository lists ${shown} with ${found}`);
  }
  const sha256 = typeof lfs?.oid === "string" && SHA256.test(lfs.oid) ? lfs.oid : null;
  const etag = sha256 ?? (typeof oid === "string" && oid.length <= MAX_PATH_LENGTH ? oid : null);
  return { path, size, sha256, etag, xetHash: typeof xetHash === "string" && SHA256.test(xetHash) ? xetHash : null };
}
