import type { IncomingHttpHeaders } from "node:http";
import path from "node:path";
import { parseRange } from "./parse-range.ts";
import { bodyLength, emptyBody, type Body, type Reply } from "./reply.ts";

export interface FileToSend {
  readonly body: Body;
  /** With its quotes. */
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The reply for a body that may be asked for in parts: 200, 206, 304 or 416. */
export function fileReply({ body, etag, headers }: FileToSend, asked: IncomingHttpHeaders): Reply {
  const size = bodyLength(body);
  const common = { ...headers, ETag: etag, "Accept-Ranges": "bytes" };
  if (asked["if-none-match"] !== undefined && matches(asked["if-none-match"], etag)) {
    return { status: 304, headers: common, body: emptyBody };
  }
  const isStale = asked["if-range"] !== undefined && asked["if-range"] !== etag;
  const range = parseRange(isStale ? undefined : asked.range, size);
  switch (range.kind) {
    case "whole":
      return { status: 200, headers: common, body };
    case "part":
      return {
        status: 206,
        headers: { ...common, "Content-Range": `bytes ${range.start}-${range.end - 1}/${size}` },
        body: part(body, range.start, range.end),
      };
    case "unsatisfiable":
      return { status: 416, headers: { ...common, "Content-Range": `bytes */${size}` }, body: emptyBody };
  }
}

/** Shows the file in a browser, and names it when it is saved. */
export function contentDisposition(filePath: string): string {
  const name = path.posix.basename(filePath);
  const ascii = name.replace(/[^\x20-\x7e]|["\\]/g, "_");
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `inline; filename*=UTF-8''${encoded}; filename="${ascii}";`;
}

/** The Hub shows text as text, whatever kind of text it is, so that no page can run on its origin. */
export const contentType = (filePath: string): string =>
  /\.(md|json|jsonl|txt|ya?ml|csv|tsv|py|html?|xml|svg)$|(^|\/)(LICENSE|\.gitattributes)$/i.test(filePath)
    ? "text/plain; charset=utf-8"
    : "application/octet-stream";

const matches = (header: string, etag: string): boolean =>
  header.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === etag);

function part(body: Body, start: number, end: number): Body {
  return body.kind === "bytes"
    ? { kind: "bytes", bytes: body.bytes.subarray(start, end) }
    : { ...body, start: body.start + start, end: body.start + end };
}
