import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { textReply, type Reply } from "./reply.ts";
import type { Repository } from "./repository.ts";
import { contentDisposition, fileReply } from "./send-file.ts";
import { isSignatureValid, signUrl } from "./signed-url.ts";
import type { ListedFile } from "./list-folder.ts";

export interface CdnOptions {
  readonly url: string;
  /** Signs the links. */
  readonly key: Uint8Array;
  readonly linkSeconds: number;
  readonly now: () => number;
}

/** The second origin: it knows no repositories and no accounts, only large files and who signed the link to one. */
export class CdnFiles {
  readonly #options: CdnOptions;
  readonly #files = new Map<string, ListedFile>();

  constructor(options: CdnOptions) {
    this.#options = options;
  }

  /** A link to a file that works for a short while, without any token. */
  link(repository: Repository, file: ListedFile, sha256: string): URL {
    const pathname = `/repos/${repository.internalId}/${sha256}`;
    this.#files.set(pathname, file);
    const url = new URL(pathname, this.#options.url);
    url.searchParams.set("response-content-disposition", contentDisposition(file.path));
    url.searchParams.set("Key-Pair-Id", "local-hub");
    const expiresAtMs = this.#options.now() + this.#options.linkSeconds * 1000;
    return signUrl({ url, key: this.#options.key, expiresAtMs });
  }

  /** Answers a request for such a link. */
  answer(method: string, url: URL, asked: IncomingHttpHeaders): Reply {
    if (method !== "GET" && method !== "HEAD") return errorXml(405, "MethodNotAllowed");
    if (!isSignatureValid(url, this.#options.key, this.#options.now())) return errorXml(403, "AccessDenied");
    const file = this.#files.get(url.pathname);
    if (file === undefined) return errorXml(404, "NoSuchKey");
    const headers = {
      "Content-Type": "application/octet-stream",
      "Content-Disposition": url.searchParams.get("response-content-disposition") ?? "inline",
    };
    const body = { kind: "file", location: file.location, start: 0, end: file.size } as const;
    // As on the real one, this looks like a sha256 and is none: only X-Linked-ETag of the hub is.
    const etag = `"${createHash("sha256").update(url.pathname).digest("hex")}"`;
    return fileReply({ body, etag, headers }, asked);
  }
}

const errorXml = (status: number, code: string): Reply =>
  textReply(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`, {
    status,
    headers: { "Content-Type": "application/xml" },
  });
