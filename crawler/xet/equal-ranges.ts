import type { FileTerm } from "./file-term.ts";

/** Bytes `begin` to `end` of one file, which equal those of another file from `otherBegin` on. */
export interface EqualRange {
  readonly begin: number;
  readonly end: number;
  readonly otherBegin: number;
}

/** A run of chunks of one xorb in a file, with the places where chunks begin or end, as far as they are known. */
interface Chain {
  readonly xorb: string;
  readonly start: number;
  readonly end: number;
  /** Byte offset in the file by index of the chunk that begins there. */
  readonly edges: ReadonlyMap<number, number>;
}

/**
 * Which bytes of two files are equal because both take them from the same chunks of the same xorb. That is all that terms
 * tell: what is not found may be equal all the same. Two runs of a xorb that overlap are compared where they share an edge:
 * from there, distances in the xorb are distances in both files.
 */
export function equalRanges(file: readonly FileTerm[], other: readonly FileTerm[]): EqualRange[] {
  const byXorb = new Map<string, Chain[]>();
  for (const chain of chainsOf(other)) byXorb.set(chain.xorb, [...(byXorb.get(chain.xorb) ?? []), chain]);
  const found = chainsOf(file).flatMap((chain) =>
    (byXorb.get(chain.xorb) ?? []).flatMap((twin) => overlap(chain, twin) ?? []),
  );
  return joinRanges(found);
}

function overlap(chain: Chain, twin: Chain): EqualRange | undefined {
  const common = [...chain.edges].flatMap(([index, begin]) => {
    const otherBegin = twin.edges.get(index);
    return otherBegin === undefined ? [] : [{ begin, otherBegin }];
  });
  const [anchor] = common;
  const start = Math.max(chain.start, twin.start);
  const end = Math.min(chain.end, twin.end);
  if (anchor === undefined || start >= end) return undefined;
  const shift = anchor.otherBegin - anchor.begin;
  if (common.some(({ begin, otherBegin }) => otherBegin - begin !== shift)) return undefined; // the terms contradict each other
  const offsetOf = (index: number): number => chain.edges.get(index) ?? (twin.edges.get(index) ?? NaN) - shift;
  const begin = offsetOf(start);
  return { begin, end: offsetOf(end), otherBegin: begin + shift };
}

function chainsOf(terms: readonly FileTerm[]): Chain[] {
  const chains: { xorb: string; start: number; end: number; fileEnd: number; edges: Map<number, number> }[] = [];
  for (const { xorb, start, end, begin, bytes, lengths } of terms) {
    let chain = chains.at(-1);
    if (chain?.xorb !== xorb || chain.end !== start || chain.fileEnd !== begin) {
      chain = { xorb, start, end: start, fileEnd: begin, edges: new Map() };
      chains.push(chain);
    }
    chain.edges.set(start, begin);
    let edge = begin;
    lengths?.forEach((length, index) => chain.edges.set(start + index + 1, (edge += length)));
    chain.edges.set(end, begin + bytes);
    chain.end = end;
    chain.fileEnd = begin + bytes;
  }
  return chains;
}

function joinRanges(ranges: readonly EqualRange[]): EqualRange[] {
  const joined: { begin: number; end: number; otherBegin: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.begin - b.begin || a.otherBegin - b.otherBegin)) {
    const last = joined.at(-1);
    const continues =
      last && range.begin <= last.end && range.otherBegin - range.begin === last.otherBegin - last.begin;
    if (continues) last.end = Math.max(last.end, range.end);
    else joined.push({ ...range });
  }
  return joined;
}
