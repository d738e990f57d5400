/** A run of chunks of one xorb, where it lies in a file: part of what a file is made of. Ends are exclusive. */
export interface FileTerm {
  /** Hash of the xorb. Equal xorb and chunks are equal bytes. */
  readonly xorb: string;
  readonly start: number;
  readonly end: number;
  /** Byte offset in the file. */
  readonly begin: number;
  readonly bytes: number;
  /** Bytes of each chunk, where they were read; the hub does not tell. */
  readonly lengths: readonly number[] | null;
}

/** A chunk that was read: its place in its xorb and in the file. */
export interface ReadChunk {
  readonly xorb: string;
  readonly index: number;
  readonly begin: number;
  readonly bytes: number;
}

/** The terms of a file, cut where chunks were read, which then tell their lengths. Pure. */
export function withReadChunks(terms: readonly FileTerm[], chunks: Iterable<ReadChunk>): FileTerm[] {
  const read = [...chunks].sort((a, b) => a.begin - b.begin);
  let next = 0;
  return terms.flatMap((term) => {
    const runs: { start: number; end: number; begin: number; bytes: number; lengths: number[] | null }[] = [];
    const add = (start: number, begin: number, count: number, bytes: number, length: number | null): void => {
      const last = runs.at(-1);
      if (last && last.lengths !== null && length !== null) {
        last.lengths.push(length);
        last.end += count;
        last.bytes += bytes;
      } else if (count > 0) {
        runs.push({ start, end: start + count, begin, bytes, lengths: length === null ? null : [length] });
      }
    };
    let index = term.start;
    let begin = term.begin;
    const end = term.begin + term.bytes;
    for (; ; next++) {
      const chunk = read[next];
      if (!chunk || chunk.begin >= end) break;
      const isInside =
        chunk.xorb === term.xorb && chunk.index >= index && chunk.index < term.end && chunk.begin >= begin;
      if (!isInside) continue; // read twice, or told otherwise by another answer
      add(index, begin, chunk.index - index, chunk.begin - begin, null);
      add(chunk.index, chunk.begin, 1, chunk.bytes, chunk.bytes);
      index = chunk.index + 1;
      begin = chunk.begin + chunk.bytes;
    }
    add(index, begin, term.end - index, end - begin, null);
    return runs.map((run) => ({ xorb: term.xorb, ...run }));
  });
}
