import { z } from "zod";
import type { FileTerm } from "./file-term.ts";
import { MAX_CHUNK_BYTES } from "./xorb-chunk.ts";
import { XetError } from "./xet-error.ts";

/** What to fetch for a file, or a range of it, and how to put it together (https://huggingface.co/docs/xet/api). */
export interface Reconstruction {
  /** In the file's order. */
  readonly terms: readonly ReconstructionTerm[];
  readonly sources: readonly XorbSource[];
  /** Bytes of the first term that lie before the range. */
  readonly offset: number;
}

export interface ReconstructionTerm {
  readonly xorb: string;
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
}

/** Where a run of a xorb's chunks is to be had. The address is signed and short-lived. */
export interface XorbSource {
  readonly xorb: string;
  readonly start: number;
  readonly end: number;
  readonly url: string;
  /** In the xorb; `byteEnd` is exclusive. */
  readonly byteBegin: number;
  readonly byteEnd: number;
}

/** A file of 1 TB in whole xorbs has 16,000 terms; much broken ones have some times that. */
const MAX_TERMS = 500_000;
/** The protocol's limit of chunks in a xorb. */
const MAX_CHUNKS = 8192;

const count = z.number().int().nonnegative();
const range = z.object({ start: count, end: count });
const chunks = z.object({ start: count, end: count.max(MAX_CHUNKS) });
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const term = z.object({ hash, unpacked_length: count, range: chunks });
const head = { offset_into_first_range: count, terms: z.array(term).max(MAX_TERMS) };
const version1 = z.object({
  ...head,
  fetch_info: z.record(hash, z.array(z.object({ range: chunks, url: z.url(), url_range: range }))),
});
const version2 = z.object({
  ...head,
  xorbs: z.record(hash, z.array(z.object({ url: z.url(), ranges: z.array(z.object({ chunks, bytes: range })) }))),
});

/**
 * Reads the answer of either version of the endpoint.
 * @throws XetError when it is malformed, or says what cannot be
 */
export function parseReconstruction(json: unknown, version: 1 | 2): Reconstruction {
  const parsed = version === 1 ? parse(version1, json) : parse(version2, json);
  const terms = parsed.terms.map(({ hash: xorb, unpacked_length: bytes, range: { start, end } }) => {
    if (start >= end || bytes > (end - start) * MAX_CHUNK_BYTES || bytes < end - start) {
      throw new XetError(`a term of chunks ${start} to ${end} cannot have ${bytes} bytes`);
    }
    return { xorb, start, end, bytes };
  });
  if (parsed.offset_into_first_range > (terms[0]?.bytes ?? 0)) {
    throw new XetError(
      `the range begins ${parsed.offset_into_first_range} bytes into a term of ${terms[0]?.bytes ?? 0}`,
    );
  }
  return { terms, offset: parsed.offset_into_first_range, sources: sourcesOf(parsed) };
}

function sourcesOf(parsed: z.infer<typeof version1> | z.infer<typeof version2>): XorbSource[] {
  const source = (xorb: string, url: string, of: z.infer<typeof chunks>, bytes: z.infer<typeof range>): XorbSource => ({
    ...{ xorb, url, start: of.start, end: of.end },
    ...{ byteBegin: bytes.start, byteEnd: bytes.end + 1 },
  });
  return "xorbs" in parsed
    ? Object.entries(parsed.xorbs).flatMap(([xorb, links]) =>
        links.flatMap(({ url, ranges }) => ranges.map((part) => source(xorb, url, part.chunks, part.bytes))),
      )
    : Object.entries(parsed.fetch_info).flatMap(([xorb, links]) =>
        links.map((link) => source(xorb, link.url, link.range, link.url_range)),
      );
}

function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const { success, data, error } = schema.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  throw new XetError(`not a reconstruction: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

/** The terms of a reconstruction where they lie in the file. @param begin of the first one */
export function placeTerms({ terms }: Reconstruction, begin: number): FileTerm[] {
  let at = begin;
  return terms.map((term) => {
    const placed = { ...term, begin: at, lengths: null };
    at += term.bytes;
    return placed;
  });
}
