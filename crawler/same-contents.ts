import type { RepositoryFile } from "./repository.ts";

/** What a model is read from: settings, weights, vocabularies. Cards, pictures and other formats are never read. */
const READ = /\.(json|safetensors|bin|txt|model)$/;
/** Written beside a model by its training, and never read. */
const NOISE =
  /(^|\/)(training_args\.bin|optimizer\.bin|scheduler\.bin|trainer_state\.json|(all|train|eval|test|predict)_results\.json)$/;

/**
 * Whether two revisions of a model have the same settings and weights, by the hashes that the hub lists: then all that
 * was read of the one holds for the other. A file without a hash counts as another one.
 */
export function haveSameContents(before: readonly RepositoryFile[], after: readonly RepositoryFile[]): boolean {
  const old = contentsOf(before);
  const now = contentsOf(after);
  return (
    old.size > 0 && old.size === now.size && [...now].every(([path, hash]) => hash !== null && old.get(path) === hash)
  );
}

const contentsOf = (files: readonly RepositoryFile[]): Map<string, string | null> =>
  new Map(
    files
      .filter(({ path }) => READ.test(path) && !NOISE.test(path))
      .map(({ path, sha256, etag, size }) => [path, (sha256 ?? etag) === null ? null : `${sha256 ?? etag} ${size}`]),
  );
