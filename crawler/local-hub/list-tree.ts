import { entryNotFound } from "./hub-error.ts";
import type { Snapshot, SnapshotFile } from "./snapshot.ts";
import type { TreeFile } from "./git-objects.ts";

export interface TreeQuery {
  /** The folder to list, empty for the root. */
  readonly path: string;
  readonly recursive: boolean;
  /** Whether each entry tells its last commit. */
  readonly expand: boolean;
  readonly limit: number;
  /** The path of the last entry of the page before. */
  readonly after: string | undefined;
  /** For the error message. */
  readonly revision: string;
}

export interface TreePage {
  readonly items: readonly Record<string, unknown>[];
  readonly next: string | undefined;
}

type Entry =
  { readonly kind: "file"; readonly file: SnapshotFile } | { readonly kind: "folder"; readonly folder: TreeFile };

const entryPath = (entry: Entry): string => (entry.kind === "file" ? entry.file.path : entry.folder.path);

/** One page of a folder's files and folders, by path. Throws EntryNotFound if there is no such folder. */
export function listTree(snapshot: Snapshot, lastModified: string, query: TreeQuery): TreePage {
  const prefix = query.path === "" ? "" : `${query.path}/`;
  const left = entries(snapshot)
    .filter((entry) => entryPath(entry).startsWith(prefix))
    .filter((entry) => query.recursive || !entryPath(entry).slice(prefix.length).includes("/"));
  if (left.length === 0 && prefix !== "") throw entryNotFound(`${query.path} does not exist on "${query.revision}"`);
  const rest = left.filter((entry) => query.after === undefined || entryPath(entry) > query.after);
  const page = rest.slice(0, query.limit);
  const last = page.at(-1);
  return {
    items: page.map((entry) => entryJson(entry, snapshot, lastModified, query.expand)),
    next: last !== undefined && rest.length > page.length ? entryPath(last) : undefined,
  };
}

/** The entries with these paths, in their order. Paths that are not there are left out, as on the Hub. */
export function pathsInfo(
  snapshot: Snapshot,
  lastModified: string,
  paths: readonly string[],
  expand: boolean,
): readonly Record<string, unknown>[] {
  const byPath = new Map(entries(snapshot).map((entry) => [entryPath(entry), entry]));
  return paths
    .map((path) => byPath.get(path.replace(/^\/+|\/+$/g, "")))
    .filter((entry) => entry !== undefined)
    .map((entry) => entryJson(entry, snapshot, lastModified, expand));
}

function entries({ files, folders }: Snapshot): readonly Entry[] {
  const all: Entry[] = [
    ...folders.map((folder) => ({ kind: "folder" as const, folder })),
    ...files.map((file) => ({ kind: "file" as const, file })),
  ];
  return all.sort((a, b) => (entryPath(a) < entryPath(b) ? -1 : 1));
}

function entryJson(entry: Entry, { sha }: Snapshot, date: string, expand: boolean): Record<string, unknown> {
  const lastCommit = expand ? { lastCommit: { id: sha, title: "Upload files", date } } : {};
  if (entry.kind === "folder") {
    const { path, oid } = entry.folder;
    return { type: "directory", oid, size: 0, path, ...lastCommit };
  }
  const { path, oid, size, lfs, xetHash } = entry.file;
  const security = expand ? { securityFileStatus: { status: "unscanned", avScan: null, pickleImportScan: null } } : {};
  return {
    type: "file",
    oid,
    size,
    ...(lfs && { lfs }),
    ...(xetHash && { xetHash }),
    path,
    ...lastCommit,
    ...security,
  };
}
