import { fileHash, hashToHex } from "@huggingface/xetchunk-wasm";
import { hashChunk } from "./chunk-hash.ts";
import { withReadChunks, type FileTerm, type ReadChunk } from "./file-term.ts";
import { KeptChunks } from "./kept-chunks.ts";
import { placeTerms, type Reconstruction } from "./reconstruction.ts";
import type { XetAccess } from "./xet-access.ts";
import { XetError } from "./xet-error.ts";
import { XorbSources } from "./xorb-sources.ts";
import { decodeXorb, MAX_CHUNK_BYTES } from "./xorb-chunk.ts";

/** A large file by the Xet protocol: what it is made of is known before a byte of it is read. */
export interface XetFile {
  /** In the file's order, with the lengths of the chunks that were read. */
  terms(): readonly FileTerm[];
  /** Streams bytes `begin` to `end`, whole or with an error. */
  read(begin: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array>;
}

export interface OpenXetFileOptions {
  readonly access: XetAccess;
  /** The file's Xet hash, and its size as the hub lists it. */
  readonly hash: string;
  readonly size: number;
  /** Its path, for messages. */
  readonly path: string;
  readonly onBytes: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Bytes of terms beyond the range that are read along, rather than asking anew what the range is made of: no more than
 * the range's first and last chunk may bring anyway.
 */
const MAX_EXTRA_BYTES = 2 * MAX_CHUNK_BYTES;

/** @throws XetError when what the store says is not a file of that size, HubError when it does not answer */
export async function openXetFile(options: OpenXetFileOptions): Promise<XetFile> {
  const { access, hash, size, path, signal } = options;
  const whole = await access.reconstruct(hash, undefined, signal);
  const terms = placeTerms(whole, 0);
  const last = terms.at(-1);
  const end = last ? last.begin + last.bytes : 0;
  if (end !== size || whole.offset !== 0)
    throw new XetError(`${path}: its terms have ${end} bytes, the file has ${size}`);
  return new OpenXetFile(options, whole, terms);
}

class OpenXetFile implements XetFile {
  readonly #options: OpenXetFileOptions;
  readonly #whole: Reconstruction;
  readonly #terms: readonly FileTerm[];
  /** By the byte of the file at which they begin. */
  readonly #read = new Map<number, ReadChunk & { readonly hash: Uint8Array }>();

  constructor(options: OpenXetFileOptions, whole: Reconstruction, terms: readonly FileTerm[]) {
    this.#options = options;
    this.#whole = whole;
    this.#terms = terms;
  }

  terms(): readonly FileTerm[] {
    return withReadChunks(this.#terms, this.#read.values());
  }

  async *read(begin: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    if (begin >= end) return;
    const { access, hash } = this.#options;
    const touched = this.#terms.filter((term) => term.begin < end && term.begin + term.bytes > begin);
    const extra = touched.reduce((sum, { bytes }) => sum + bytes, 0) - (end - begin);
    let part = this.#whole;
    let terms = touched;
    if (extra > MAX_EXTRA_BYTES) {
      part = await access.reconstruct(hash, { begin, end }, signal);
      terms = placeTerms(part, begin - part.offset);
      this.#checkCover(terms, begin, end);
    }
    const sources = new XorbSources(this.#options, part.sources, part === this.#whole ? undefined : { begin, end });
    const kept = new KeptChunks(terms);
    for (const term of terms) {
      let at = term.begin;
      for await (const { index, chunk } of this.#chunksOf(term, sources, kept, signal)) {
        await this.#note(term.xorb, index, at, chunk);
        const from = Math.max(begin, at);
        const to = Math.min(end, at + chunk.byteLength);
        if (to > from) yield chunk.subarray(from - at, to - at);
        at += chunk.byteLength;
      }
      if (at !== term.begin + term.bytes) {
        throw new XetError(`${this.#options.path}: a term of ${term.bytes} bytes unpacks to ${at - term.begin}`);
      }
    }
    this.#checkHashes();
  }

  /** The chunks of a term in order, from what earlier terms left or from the store. */
  async *#chunksOf(
    term: FileTerm,
    sources: XorbSources,
    kept: KeptChunks,
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly index: number; readonly chunk: Uint8Array }> {
    const known = kept.take(term);
    if (known) {
      yield* known;
      return;
    }
    const source = sources.find(term);
    let index = source.start;
    for await (const chunk of decodeXorb(sources.read(source, signal))) {
      if (index >= source.end) throw new XetError(`${this.#options.path}: a xorb has more chunks than it was said to`);
      if (kept.isWanted(term.xorb, index, index + 1)) kept.put(term.xorb, index, chunk);
      if (index >= term.start && index < term.end) yield { index, chunk };
      index++;
      if (index >= term.end && !kept.isWanted(term.xorb, index, source.end)) return;
    }
    if (index < term.end) throw new XetError(`${this.#options.path}: a xorb ends at chunk ${index} of ${term.end}`);
  }

  async #note(xorb: string, index: number, begin: number, chunk: Uint8Array): Promise<void> {
    const hash = await hashChunk(chunk);
    this.#read.set(begin, { xorb, index, begin, bytes: chunk.byteLength, hash });
  }

  /** A range's terms must be the file's, as far as can be seen. */
  #checkCover(terms: readonly FileTerm[], begin: number, end: number): void {
    const [first] = terms;
    const last = terms.at(-1);
    if (first && last && first.begin >= 0 && first.begin <= begin && last.begin + last.bytes >= end) return;
    throw new XetError(`${this.#options.path}: bytes ${begin} to ${end} were asked for, the terms are of others`);
  }

  /** Once every byte of the file has been read, its chunks must hash to its name. */
  #checkHashes(): void {
    const chunks = [...this.#read.values()].sort((a, b) => a.begin - b.begin);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    if (bytes !== this.#options.size) return;
    const actual = hashToHex(fileHash(chunks.map(({ hash, bytes: length }) => ({ hash, length }))));
    if (actual !== this.#options.hash) {
      throw new XetError(`${this.#options.path}: its bytes hash to ${actual}, the hub says ${this.#options.hash}`);
    }
  }
}
