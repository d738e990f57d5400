import { badRequest, HubError } from "./hub-error.ts";
import type { RepoType } from "./repository.ts";

interface InRepository {
  readonly type: RepoType;
  readonly id: string;
}

interface AtPath extends InRepository {
  readonly revision: string;
  /** Inside the repository, decoded; empty for its root. */
  readonly path: string;
}

/** What a request asks for. */
export type Route =
  | { readonly kind: "whoami" }
  | { readonly kind: "list"; readonly type: RepoType }
  | ({ readonly kind: "info" | "xet-read-token"; readonly revision: string } & InRepository)
  | ({ readonly kind: "tree" | "paths-info" | "resolve" | "raw" | "resolve-cache" } & AtPath);

const TYPES = new Map<string, RepoType>([
  ["models", "model"],
  ["datasets", "dataset"],
]);

/** Finds out what a request path asks for. Decodes each part of the path once. Throws 400 and 404. */
export function parseRoute(pathname: string): Route {
  const parts = pathname.split("/").slice(1).map(decode);
  const route = parts[0] === "api" ? apiRoute(parts.slice(1)) : fileRoute(parts);
  if (route === undefined) throw new HubError(404, "Sorry, we can't find the page you are looking for.");
  return route;
}

function apiRoute([first = "", ...rest]: readonly string[]): Route | undefined {
  if (first === "whoami-v2" && rest.length === 0) return { kind: "whoami" };
  if (first === "resolve-cache") {
    const [types = "", org, name, revision, ...path] = rest;
    const type = TYPES.get(types);
    if (type === undefined || revision === undefined || path.length === 0) return undefined;
    return { kind: "resolve-cache", type, id: `${org}/${name}`, revision, path: safePath(path) };
  }
  const type = TYPES.get(first);
  if (type === undefined) return undefined;
  const [org, name, verb, revision = "main", ...path] = rest;
  if (org === undefined) return { kind: "list", type };
  if (name === undefined) return { kind: "info", type, id: org, revision }; // no such id, but a proper question
  const id = `${org}/${name}`;
  if (verb === undefined) return { kind: "info", type, id, revision };
  if (verb === "revision" && path.length === 0) return { kind: "info", type, id, revision };
  if (verb === "xet-read-token" && path.length === 0) return { kind: "xet-read-token", type, id, revision };
  if (verb === "paths-info" && path.length === 0) return { kind: "paths-info", type, id, revision, path: "" };
  if (verb === "tree") return { kind: "tree", type, id, revision, path: safePath(path) };
  return undefined;
}

function fileRoute(parts: readonly string[]): Route | undefined {
  const type = parts[0] === "datasets" ? "dataset" : "model";
  const [org, name, verb, revision, ...path] = type === "dataset" ? parts.slice(1) : parts;
  if ((verb !== "resolve" && verb !== "raw") || revision === undefined || path.length === 0) return undefined;
  return { kind: verb, type, id: `${org}/${name}`, revision, path: safePath(path) };
}

/**
 * Joins the decoded parts of a path. Files are looked up in the list of a repository's files, so no path can lead out of
 * it; refusing these here as well keeps it so.
 */
function safePath(parts: readonly string[]): string {
  const path = parts.join("/");
  const isUnsafe = (part: string) => part === "" || part === "." || part === ".." || /[\0\\]/.test(part);
  if (path !== "" && path.split("/").some(isUnsafe)) throw badRequest("Invalid path in repository");
  return path;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest("Invalid URL encoding");
  }
}
