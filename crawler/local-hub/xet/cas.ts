import type { IncomingHttpHeaders } from "node:http";
import { HubError } from "../hub-error.ts";
import { parseRange } from "../parse-range.ts";
import { jsonReply, textReply, type Reply } from "../reply.ts";
import { fileReply } from "../send-file.ts";
import { isSignatureValid, signUrl } from "../signed-url.ts";
import { issueReadToken, openReadToken, type ReadToken } from "./read-token.ts";
import type { StoredXorb, Term, XorbStore } from "./xorb-store.ts";

export interface CasOptions {
  readonly store: XorbStore;
  /** Where xorbs are to be had: the origin of large files. */
  readonly cdnUrl: string;
  /** Signs tokens and links. */
  readonly key: Uint8Array;
  readonly linkSeconds: number;
  readonly now: () => number;
  /** Which versions of the reconstruction are answered; others are 404. Default both. */
  readonly versions?: readonly number[] | undefined;
}

/** A term where it lies in its file. */
interface PlacedTerm extends Term {
  readonly begin: number;
  readonly bytes: number;
}

/** The content-addressed store behind a hub (https://huggingface.co/docs/xet/api): tells what a file is made of. */
export class Cas {
  readonly #options: CasOptions;

  constructor(options: CasOptions) {
    this.#options = options;
  }

  /** A token for the files of a repository, by its internal id. */
  token(repository: string): ReadToken {
    const { key, now, linkSeconds } = this.#options;
    return issueReadToken(repository, key, now() + linkSeconds * 1000);
  }

  /** Answers `/v1/reconstructions/<file>` and `/v2/…`, whole or for a range. Throws `HubError`. */
  answer(method: string, url: URL, asked: IncomingHttpHeaders): Reply {
    const [, version, hash] = /^\/v(\d)\/reconstructions\/([0-9a-f]{64})$/.exec(url.pathname) ?? [];
    const isKnown = hash !== undefined && (this.#options.versions ?? [1, 2]).includes(Number(version));
    if (method !== "GET" || !isKnown) throw new HubError(404, "no such endpoint");
    const repository = openReadToken(asked.authorization, this.#options.key, this.#options.now());
    if (repository === undefined) throw new HubError(401, "the token is missing, forged or has expired");
    const terms = this.#options.store.terms(hash, repository);
    if (terms === undefined) throw new HubError(404, "file not found");
    const placed = this.#place(terms);
    const size = placed.reduce((sum, { bytes }) => sum + bytes, 0);
    const range = parseRange(asked.range, size);
    if (range.kind === "unsatisfiable") throw new HubError(416, "range not satisfiable");
    const part = range.kind === "part" ? range : { start: 0, end: size };
    const touched = placed.flatMap((term) => this.#narrow(term, part.start, part.end) ?? []);
    const head = {
      offset_into_first_range: part.start - (touched[0]?.begin ?? 0),
      terms: touched.map(({ xorb, start, end, bytes }) => ({
        hash: xorb,
        unpacked_length: bytes,
        range: { start, end },
      })),
    };
    return jsonReply({ ...head, ...(version === "1" ? this.#fetchInfo(touched) : this.#xorbs(touched)) });
  }

  /** Answers a link to a part of a xorb: only what was signed may be read. */
  answerXorb(method: string, url: URL, asked: IncomingHttpHeaders): Reply {
    const [, hash = ""] = /^\/xorbs\/default\/([0-9a-f]{64})$/.exec(url.pathname) ?? [];
    const xorb = this.#options.store.xorb(hash);
    const [start = -1, last = -1] = (url.searchParams.get("X-Xet-Signed-Range") ?? "").match(/\d+/g)?.map(Number) ?? [];
    const range = xorb && parseRange(asked.range, xorb.ends.at(-1) ?? 0);
    const isAllowed =
      isSignatureValid(url, this.#options.key, this.#options.now()) &&
      range?.kind === "part" &&
      range.start >= start &&
      range.end <= last + 1;
    if (method !== "GET" || !xorb || !isAllowed) return textReply("AccessDenied", { status: 403 });
    const body = { kind: "file", location: xorb.location, start: 0, end: xorb.ends.at(-1) ?? 0 } as const;
    return fileReply({ body, etag: `"${hash}"`, headers: { "Content-Type": "application/octet-stream" } }, asked);
  }

  #place(terms: readonly Term[]): PlacedTerm[] {
    let begin = 0;
    return terms.map((term) => {
      const bytes = spanOf(this.#get(term.xorb).unpackedEnds, term.start, term.end).bytes;
      const placed = { ...term, begin, bytes };
      begin += bytes;
      return placed;
    });
  }

  /** The chunks of a term that lie in a range of its file; undefined where none do. */
  #narrow(term: PlacedTerm, from: number, to: number): PlacedTerm | undefined {
    const { unpackedEnds } = this.#get(term.xorb);
    const base = term.begin - spanOf(unpackedEnds, term.start, term.start).begin;
    let { start, end } = term;
    while (start < end && base + (unpackedEnds[start] ?? 0) <= from) start++;
    while (end > start && base + spanOf(unpackedEnds, end - 1, end).begin >= to) end--;
    if (start === end) return undefined;
    const { begin, bytes } = spanOf(unpackedEnds, start, end);
    return { xorb: term.xorb, start, end, begin: base + begin, bytes };
  }

  #fetchInfo(terms: readonly PlacedTerm[]): Record<string, unknown> {
    const info: Record<string, unknown[]> = {};
    for (const { xorb, start, end } of joined(terms)) {
      const { url, bytes } = this.#link(xorb, start, end);
      (info[xorb] ??= []).push({ range: { start, end }, url, url_range: bytes });
    }
    return { fetch_info: info };
  }

  /** One entry a range, as from a server that answers no request for several ranges at once. */
  #xorbs(terms: readonly PlacedTerm[]): Record<string, unknown> {
    const xorbs: Record<string, unknown[]> = {};
    for (const { xorb, start, end } of joined(terms)) {
      const { url, bytes } = this.#link(xorb, start, end);
      (xorbs[xorb] ??= []).push({ url, ranges: [{ chunks: { start, end }, bytes }] });
    }
    return { xorbs };
  }

  /** `bytes.end` is the last byte, as in a `Range` header. */
  #link(xorb: string, start: number, end: number): { url: string; bytes: { start: number; end: number } } {
    const { cdnUrl, key, now, linkSeconds } = this.#options;
    const span = spanOf(this.#get(xorb).ends, start, end);
    const bytes = { start: span.begin, end: span.begin + span.bytes - 1 };
    const url = new URL(`/xorbs/default/${xorb}`, cdnUrl);
    url.searchParams.set("X-Xet-Signed-Range", `bytes=${bytes.start}-${bytes.end}`);
    return { url: signUrl({ url, key, expiresAtMs: now() + linkSeconds * 1000 }).href, bytes };
  }

  #get(hash: string): StoredXorb {
    const xorb = this.#options.store.xorb(hash);
    if (xorb === undefined) throw new Error(`no xorb ${hash}`);
    return xorb;
  }
}

function spanOf(ends: readonly number[], start: number, end: number): { begin: number; bytes: number } {
  const begin = start === 0 ? 0 : (ends[start - 1] ?? 0);
  return { begin, bytes: end === start ? 0 : (ends[end - 1] ?? 0) - begin };
}

/** The chunk ranges of each xorb, with those that touch or overlap made one. */
function joined(terms: readonly Term[]): Term[] {
  const ranges: { xorb: string; start: number; end: number }[] = [];
  for (const { xorb, start, end } of terms.toSorted((a, b) =>
    a.xorb < b.xorb ? -1 : a.xorb > b.xorb ? 1 : a.start - b.start,
  )) {
    const last = ranges.at(-1);
    if (last?.xorb === xorb && start <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ xorb, start, end });
  }
  return ranges;
}
