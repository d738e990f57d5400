import { createChunker, fileHash, hashToHex, xorbHash, type Chunk } from "@huggingface/xetchunk-wasm";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stampOf } from "../file-stamp.ts";
import type { FileLocation } from "../reply.ts";
import { encodeChunk } from "./encode-chunk.ts";

/** A run of chunks of one xorb: a part of a file. `end` is exclusive. */
export interface Term {
  readonly xorb: string;
  readonly start: number;
  readonly end: number;
}

export interface StoredXorb {
  readonly location: FileLocation;
  /** Of chunk i: from `ends[i - 1]`, or 0, to `ends[i]`, in the xorb's bytes and unpacked. */
  readonly ends: readonly number[];
  readonly unpackedEnds: readonly number[];
}

export interface XorbStoreOptions {
  /** Unpacked bytes after which a xorb is full. Default: the protocol's 64 MiB. */
  readonly xorbBytes?: number | undefined;
}

const MAX_XORB_BYTES = 64 * 1024 * 1024;
/** The protocol's limit. */
const MAX_XORB_CHUNKS = 8192;

/**
 * The chunks of a hub's large files, each kept once, in xorbs in a temporary folder: what the content-addressed store
 * behind the Hub does when files are uploaded. A file takes the chunks that other files have brought, and puts what is
 * new into xorbs of its own.
 */
export class XorbStore {
  readonly #xorbBytes: number;
  readonly #places = new Map<string, { readonly xorb: string; readonly index: number }>();
  readonly #xorbs = new Map<string, StoredXorb>();
  readonly #files = new Map<string, { readonly terms: readonly Term[]; readonly repositories: Set<string> }>();
  /** Xet hashes by sha256: a file is cut once, however often it is uploaded. */
  readonly #known = new Map<string, Promise<string>>();
  #last: Promise<unknown> = Promise.resolve();
  #folder: Promise<string> | undefined;

  constructor({ xorbBytes = MAX_XORB_BYTES }: XorbStoreOptions = {}) {
    this.#xorbBytes = xorbBytes;
  }

  /**
   * Takes a file in, one after the other.
   * @param repository its internal id: tokens for it open the file
   * @returns the file's Xet hash
   */
  async add(file: FileLocation, sha256: string, repository: string): Promise<string> {
    let hash = this.#known.get(sha256);
    if (hash === undefined) {
      hash = this.#last.then(() => this.#cut(file));
      this.#last = hash.catch(() => this.#known.delete(sha256));
      this.#known.set(sha256, hash);
    }
    const found = await hash;
    this.#files.get(found)?.repositories.add(repository);
    return found;
  }

  /** The terms of a file, undefined if this repository has no such file. */
  terms(hash: string, repository: string): readonly Term[] | undefined {
    const file = this.#files.get(hash);
    return file?.repositories.has(repository) ? file.terms : undefined;
  }

  xorb(hash: string): StoredXorb | undefined {
    return this.#xorbs.get(hash);
  }

  async close(): Promise<void> {
    if (this.#folder !== undefined) await rm(await this.#folder, { recursive: true, force: true });
  }

  async #cut(file: FileLocation): Promise<string> {
    const chunks = await chunksOf(file.path);
    const handle = await open(file.path);
    try {
      const draft: { chunk: Chunk; bytes: Uint8Array }[] = [];
      let drafted = 0;
      let at = 0;
      const inDraft = new Set<string>();
      const finish = async (): Promise<void> => {
        if (draft.length > 0) await this.#write(draft.splice(0));
        drafted = 0;
        inDraft.clear();
      };
      for (const chunk of chunks) {
        const name = hashToHex(chunk.hash);
        if (!this.#places.has(name) && !inDraft.has(name)) {
          const { buffer } = await handle.read({ buffer: Buffer.alloc(chunk.length), position: at });
          draft.push({ chunk, bytes: buffer });
          inDraft.add(name);
          drafted += chunk.length;
          if (drafted >= this.#xorbBytes || draft.length >= MAX_XORB_CHUNKS) await finish();
        }
        at += chunk.length;
      }
      await finish();
    } finally {
      await handle.close();
    }
    const hash = hashToHex(fileHash(chunks));
    if (!this.#files.has(hash)) this.#files.set(hash, { terms: this.#termsOf(chunks), repositories: new Set() });
    return hash;
  }

  async #write(draft: readonly { readonly chunk: Chunk; readonly bytes: Uint8Array }[]): Promise<void> {
    const xorb = hashToHex(xorbHash(draft.map(({ chunk }) => chunk)));
    const encoded = draft.map(({ bytes }) => encodeChunk(bytes));
    this.#folder ??= mkdtemp(path.join(tmpdir(), "local-hub-xorbs-"));
    const target = path.join(await this.#folder, xorb);
    await writeFile(target, Buffer.concat(encoded));
    this.#xorbs.set(xorb, {
      location: { path: target, stamp: (await stampOf(target)) ?? "" },
      ends: sums(encoded.map(({ byteLength }) => byteLength)),
      unpackedEnds: sums(draft.map(({ chunk }) => chunk.length)),
    });
    draft.forEach(({ chunk }, index) => this.#places.set(hashToHex(chunk.hash), { xorb, index }));
  }

  #termsOf(chunks: readonly Chunk[]): Term[] {
    const terms: { xorb: string; start: number; end: number }[] = [];
    for (const { hash } of chunks) {
      const place = this.#places.get(hashToHex(hash));
      if (place === undefined) throw new Error(`chunk ${hashToHex(hash)} is in no xorb`);
      const last = terms.at(-1);
      if (last?.xorb === place.xorb && last.end === place.index) last.end++;
      else terms.push({ xorb: place.xorb, start: place.index, end: place.index + 1 });
    }
    return terms;
  }
}

async function chunksOf(file: string): Promise<Chunk[]> {
  const chunker = createChunker();
  const chunks: Chunk[] = [];
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Uint8Array>) {
    chunks.push(...chunker.nextBlock(bytes, false));
  }
  const last = chunker.finish();
  if (last !== null) chunks.push(last);
  return chunks;
}

function sums(lengths: readonly number[]): number[] {
  let sum = 0;
  return lengths.map((length) => (sum += length));
}
