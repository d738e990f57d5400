import type { IncomingHttpHeaders } from "node:http";
import type { CdnFiles } from "./cdn-files.ts";
import { entryNotFound } from "./hub-error.ts";
import { lfsPointer } from "./git-objects.ts";
import { jsonReply, redirectReply, type Body, type Reply } from "./reply.ts";
import { contentDisposition, contentType, fileReply } from "./send-file.ts";
import type { Snapshot, SnapshotFile } from "./snapshot.ts";

export interface ResolveParams {
  readonly snapshot: Snapshot;
  readonly revision: string;
  readonly path: string;
  /** Whether a shared cache may keep the file: nothing that needs a token may be kept. */
  readonly isPublic: boolean;
  readonly asked: IncomingHttpHeaders;
  readonly hubUrl: string;
  readonly cdn: CdnFiles;
  /** Where `/v1/reconstructions/<hash>` is answered, if the hub offers the Xet protocol. */
  readonly casUrl: string | undefined;
}

/** `/resolve/`: large files are redirected to the second origin, small public ones to the cache; others are sent here. */
export function resolveFile(params: ResolveParams): Reply {
  const { snapshot, path, isPublic, asked } = params;
  const file = fileAt(snapshot, path);
  const commit = { "X-Repo-Commit": snapshot.sha, "Accept-Ranges": "bytes" };
  if (file.lfs !== undefined) {
    const linked = {
      ...commit,
      Vary: "Origin, Accept",
      "X-Linked-Size": String(file.size),
      "X-Linked-ETag": `"${file.lfs.oid}"`,
    };
    const xet = xetHeaders(params, file);
    if (xet !== undefined && asked.accept?.includes(XET_FILE_INFO)) {
      const headers = { ...linked, ...xet, "Content-Type": XET_FILE_INFO };
      return jsonReply({ hash: xet["X-Xet-Hash"], size: file.size }, { headers });
    }
    return redirectReply(302, params.cdn.link(snapshot.repository, file, file.lfs.oid).href, { ...linked, ...xet });
  }
  // The Hub sends empty, private and gated files itself: those must not reach a cache that asks for no token.
  if (file.size === 0 || !isPublic) return sendCached(snapshot, path, asked);
  return redirectReply(307, cacheLocation(params, file), commit);
}

/** `/api/resolve-cache/`: a small file of a pinned commit. */
export function sendCached(snapshot: Snapshot, path: string, asked: IncomingHttpHeaders): Reply {
  const file = fileAt(snapshot, path);
  const headers = { "X-Repo-Commit": snapshot.sha, "Content-Disposition": contentDisposition(path) };
  const body: Body = { kind: "file", location: file.location, start: 0, end: file.size };
  const etag = `"${file.oid}"`;
  return fileReply({ body, etag, headers: { ...headers, "Content-Type": contentType(path) } }, asked);
}

/** `/raw/`: what git holds, which for a large file is its pointer. */
export function sendRaw(snapshot: Snapshot, path: string, asked: IncomingHttpHeaders): Reply {
  const file = fileAt(snapshot, path);
  const headers = { "X-Repo-Commit": snapshot.sha, "Content-Type": "text/plain; charset=utf-8" };
  const body: Body = file.lfs
    ? { kind: "bytes", bytes: Buffer.from(lfsPointer(file.lfs.oid, file.lfs.size)) }
    : { kind: "file", location: file.location, start: 0, end: file.size };
  // the Hub answers 304 only below /resolve/
  return fileReply({ body, etag: `"${file.oid}"`, headers }, { ...asked, "if-none-match": undefined });
}

const XET_FILE_INFO = "application/vnd.xet-fileinfo+json";

function fileAt(snapshot: Snapshot, path: string): SnapshotFile {
  const file = snapshot.files.find((candidate) => candidate.path === path);
  if (file === undefined) throw entryNotFound();
  return file;
}

const encodePath = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

function cacheLocation({ snapshot, revision, path }: ResolveParams, file: SnapshotFile): string {
  const { type, id } = snapshot.repository;
  const asked = encodeURIComponent(`/${type === "model" ? "" : `${type}s/`}${id}/resolve/${revision}/${path}`);
  const etag = encodeURIComponent(`"${file.oid}"`);
  return `/api/resolve-cache/${type}s/${id}/${snapshot.sha}/${encodePath(path)}?${asked}=&etag=${etag}`;
}

function xetHeaders(
  { snapshot, hubUrl, casUrl }: ResolveParams,
  { xetHash: hash }: SnapshotFile,
): Record<"X-Xet-Hash" | "Link", string> | undefined {
  if (casUrl === undefined || hash === undefined) return undefined;
  const { type, id } = snapshot.repository;
  const auth = `<${hubUrl}/api/${type}s/${id}/xet-read-token/${snapshot.sha}>; rel="xet-auth"`;
  const info = `<${casUrl}/v1/reconstructions/${hash}>; rel="xet-reconstruction-info"`;
  return { "X-Xet-Hash": hash, Link: `${auth}, ${info}` };
}
