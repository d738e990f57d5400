import { createHash, type Hash } from "node:crypto";

/** Bytes `begin` to `end` of a file. */
export interface FilePart {
  readonly begin: number;
  readonly end: number;
}

/** Bytes of a file of the repository that were read apart, and what they were. */
export interface ReadPart extends FilePart {
  readonly file: string;
  readonly sha256: string;
}

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Hashes parts of a file, which may overlap, while its bytes come by from the first on. */
export class PartHashes {
  readonly #waiting: FilePart[];
  #open: { readonly part: FilePart; readonly hash: Hash }[] = [];
  readonly #done = new Map<string, string>();
  #at = 0;

  constructor(parts: readonly FilePart[]) {
    this.#waiting = parts.toSorted((a, b) => b.begin - a.begin);
  }

  /** Takes the next bytes of the file. */
  add(bytes: Uint8Array): void {
    const begin = this.#at;
    const end = (this.#at += bytes.byteLength);
    for (let part = this.#waiting.at(-1); part && part.begin < end; part = this.#waiting.at(-1)) {
      this.#waiting.pop();
      this.#open.push({ part, hash: createHash("sha256") });
    }
    if (this.#open.length === 0) return;
    for (const { part, hash } of this.#open) {
      hash.update(bytes.subarray(Math.max(0, part.begin - begin), Math.max(0, part.end - begin)));
      if (part.end <= end) this.#done.set(keyOf(part), hash.digest("hex"));
    }
    this.#open = this.#open.filter(({ part }) => part.end > end);
  }

  /** The sha256 of a part that has come by whole; undefined of others. */
  sha256(part: FilePart): string | undefined {
    return this.#done.get(keyOf(part));
  }
}

const keyOf = ({ begin, end }: FilePart): string => `${begin}-${end}`;
