import { HubError } from "../hub/hub-error.ts";
import { readThroughBreaks } from "../hub/read-through-breaks.ts";
import type { OpenXetFileOptions } from "./open-xet-file.ts";
import type { XorbSource } from "./reconstruction.ts";
import { XetError } from "./xet-error.ts";

/** The links of a reconstruction. One that has expired is asked for anew. */
export class XorbSources {
  readonly #options: OpenXetFileOptions;
  readonly #part: { readonly begin: number; readonly end: number } | undefined;
  #sources: readonly XorbSource[];

  /** @param part the range that the reconstruction is of; undefined for the whole file */
  constructor(
    options: OpenXetFileOptions,
    sources: readonly XorbSource[],
    part: { readonly begin: number; readonly end: number } | undefined,
  ) {
    this.#options = options;
    this.#sources = sources;
    this.#part = part;
  }

  /** Where chunks are to be had. @throws XetError when the reconstruction does not say */
  find({ xorb, start, end }: Pick<XorbSource, "xorb" | "start" | "end">): XorbSource {
    const found = this.#sources.find((source) => source.xorb === xorb && source.start <= start && source.end >= end);
    if (found) return found;
    throw new XetError(`${this.#options.path}: no link to chunks ${start} to ${end} of a xorb that it is made of`);
  }

  /** Streams a source's bytes. */
  read(source: XorbSource, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    return readThroughBreaks({
      what: `${this.#options.path} (xorb ${source.xorb.slice(0, 16)}…)`,
      begin: source.byteBegin,
      end: source.byteEnd,
      open: (begin, end) => this.#open(source, begin, end, signal),
      onBytes: this.#options.onBytes,
      signal,
    });
  }

  async #open(source: XorbSource, begin: number, end: number, signal?: AbortSignal): Promise<Response> {
    const { access, hash } = this.#options;
    const { url } = this.find(source);
    try {
      return await access.openXorb(url, begin, end, signal);
    } catch (cause) {
      if (!(cause instanceof HubError) || (cause.status !== 403 && cause.status !== 401)) throw cause;
      this.#sources = (await access.reconstruct(hash, this.#part, signal)).sources;
      return await access.openXorb(this.find(source).url, begin, end, signal);
    }
  }
}
