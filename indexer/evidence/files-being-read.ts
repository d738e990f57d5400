import type { RepositoryFile } from "../../crawler/repository.ts";

/** Tells what became of the files that a reader had claimed: whether they are in the catalog, where others find them. */
export type Release = (isInCatalog: boolean) => void;

/**
 * The weight files that are being read in a crawl, by their hashes, so that of two models with the same file the second
 * waits for the first and finds it in the catalog.
 *
 * Nobody waits while it holds a claim, and files are claimed all at once or not at all, so nobody waits in a circle. When
 * a reader fails, one of those who waited reads the file and the others wait for that one. Who waits keeps its place among
 * the readers, so there are never more of them than those.
 */
export class FilesBeingRead {
  readonly #owners = new Map<string, Promise<boolean>>();

  /**
   * Waits until nobody else reads one of the files, then claims those that nobody has brought into the catalog meanwhile.
   * @param files files without a hash count as different from all others
   * @returns what to call when they have been read, or could not be
   * @throws the signal's reason when it is aborted meanwhile
   */
  async claim(files: readonly RepositoryFile[], signal: AbortSignal): Promise<Release> {
    const wanted = new Set(files.map(keyOf).filter((key) => key !== null));
    for (;;) {
      signal.throwIfAborted();
      const others = [...wanted].flatMap((key) => {
        const owner = this.#owners.get(key);
        return owner ? [{ key, owner }] : [];
      });
      if (others.length === 0) break;
      for (const { key, owner } of others) {
        if (await unlessAborted(owner, signal)) wanted.delete(key);
      }
    }
    let settle: Release = () => undefined;
    const owner = new Promise<boolean>((resolve) => (settle = resolve));
    for (const key of wanted) this.#owners.set(key, owner);
    return (isInCatalog) => {
      for (const key of wanted) this.#owners.delete(key);
      settle(isInCatalog);
    };
  }
}

/** Which files are the same: as the catalog tells it, by either hash; the xet hash only where there is no other. */
const keyOf = ({ sha256, xetHash }: RepositoryFile): string | null => sha256 ?? xetHash;

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
