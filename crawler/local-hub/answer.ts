import type { IncomingMessage } from "node:http";
import { maySee, requireContents, requireVisible, type Visitor } from "./access.ts";
import type { CdnFiles } from "./cdn-files.ts";
import { HubError } from "./hub-error.ts";
import type { HubFolder } from "./hub-folder.ts";
import { settingsOf, type HubSettings } from "./hub-settings.ts";
import { listPage } from "./list-page.ts";
import { parseListQuery, writeCursor, type ListQuery } from "./list-query.ts";
import { listTree, pathsInfo } from "./list-tree.ts";
import { readExpand, readFlag, readLimit } from "./query-values.ts";
import { readPathsQuestion } from "./read-paths-question.ts";
import { jsonReply, type Reply } from "./reply.ts";
import type { Repository, RepoType } from "./repository.ts";
import { repositoryFacts } from "./repository-facts.ts";
import { BRIEF_FIELDS, FULL_FIELDS, INFO_FIELDS, repositoryJson } from "./repository-json.ts";
import { resolveFile, sendCached, sendRaw } from "./resolve-file.ts";
import { parseRoute, type Route } from "./router.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Cas } from "./xet/cas.ts";

/** What the hub answers from. */
export interface HubContext {
  readonly folder: HubFolder;
  readonly cdn: CdnFiles;
  /** Undefined where the hub does not offer the Xet protocol. */
  readonly cas: Cas | undefined;
  readonly casUrl: string | undefined;
  readonly hubUrl: string;
}

/** Answers a request to the hub's own origin. Throws `HubError`. */
export async function answer(
  request: IncomingMessage,
  url: URL,
  visitor: Visitor,
  settings: HubSettings,
  hub: HubContext,
): Promise<Reply> {
  const route = parseRoute(url.pathname);
  requireMethod(request.method ?? "GET", route);
  if (route.kind === "whoami") return whoami(visitor);
  if (route.kind === "list") return await list(route.type, url, visitor, settings, hub);
  const repository = await hub.folder.find(route.type, route.id);
  requireVisible(visitor, repository, settings);
  if (["resolve", "raw", "resolve-cache", "xet-read-token"].includes(route.kind))
    requireContents(visitor, repository, settings);
  const snapshot = await hub.folder.snapshot(repository, route.revision);
  const facts = repositoryFacts(snapshot.repository, settings);
  switch (route.kind) {
    case "info": {
      const fields = readExpand(url.searchParams, route.type) ?? INFO_FIELDS;
      const blobs = readFlag(url.searchParams, "blobs") ?? false;
      return jsonReply(await repositoryJson({ facts, fields, blobs, snapshot: () => Promise.resolve(snapshot) }));
    }
    case "xet-read-token":
      return xetToken(snapshot.repository, hub);
    case "tree":
      return tree(route, url, snapshot, facts.lastModified, hub);
    case "paths-info": {
      const { paths, expand } = await readPathsQuestion(request);
      return jsonReply(pathsInfo(snapshot, facts.lastModified, paths, expand));
    }
    case "resolve": {
      const { private: isPrivate, gated } = settingsOf(settings, route.type, route.id);
      const isPublic = !isPrivate && gated === false;
      return resolveFile({ ...route, ...hub, snapshot, isPublic, asked: request.headers });
    }
    case "raw":
      return sendRaw(snapshot, route.path, request.headers);
    case "resolve-cache":
      return sendCached(snapshot, route.path, request.headers);
  }
}

function requireMethod(method: string, route: Route): void {
  const allowed = route.kind === "paths-info" ? ["POST"] : ["GET", "HEAD"];
  if (!allowed.includes(method)) {
    throw new HubError(405, `${method} is not allowed here`, undefined, { Allow: allowed.join(", ") });
  }
}

function whoami(visitor: Visitor): Reply {
  if (visitor.token === undefined) throw new HubError(401, "Invalid username or password.");
  const auth = { type: "access_token", accessToken: { displayName: "token", role: "read" } };
  return jsonReply({ type: "user", name: visitor.name, fullname: visitor.name, orgs: [], auth });
}

async function list(
  type: RepoType,
  url: URL,
  visitor: Visitor,
  settings: HubSettings,
  hub: HubContext,
): Promise<Reply> {
  const query = parseListQuery(url.searchParams, type);
  const visible = (await hub.folder.list(type)).filter((repository) => maySee(visitor, repository, settings));
  const page = listPage(
    visible.map((repository) => repositoryFacts(repository, settings)),
    query,
  );
  const items: unknown[] = [];
  for (const facts of page.items) {
    const snapshot = (): Promise<Snapshot> => hub.folder.snapshot(facts.repository);
    items.push(await repositoryJson({ facts, fields: listFields(query), snapshot }));
  }
  return jsonReply(items, { headers: nextLink(url, hub.hubUrl, page.next && writeCursor(page.next)) });
}

function listFields({ expand, full, config, cardData, sort }: ListQuery): readonly string[] {
  if (expand !== undefined) return expand;
  const fields = [...(full ? FULL_FIELDS : BRIEF_FIELDS)];
  if (config) fields.push("config");
  if (cardData) fields.push("cardData");
  if (sort === "lastModified") fields.push("lastModified");
  return fields;
}

function tree(
  route: { readonly path: string; readonly revision: string },
  url: URL,
  snapshot: Snapshot,
  lastModified: string,
  hub: HubContext,
): Reply {
  const params = url.searchParams;
  const cursor = params.get("cursor");
  const page = listTree(snapshot, lastModified, {
    path: route.path,
    revision: route.revision,
    recursive: readFlag(params, "recursive") ?? false,
    expand: readFlag(params, "expand") ?? false,
    limit: readLimit(params),
    after: cursor === null ? undefined : Buffer.from(cursor, "base64url").toString(),
  });
  const next = page.next === undefined ? undefined : Buffer.from(page.next).toString("base64url");
  return jsonReply(page.items, { headers: nextLink(url, hub.hubUrl, next) });
}

/** The right to read a repository's files on the content-addressed store: in the body and, as older clients want it, in headers. */
function xetToken({ internalId, id }: Repository, { cas, casUrl }: HubContext): Reply {
  if (cas === undefined || casUrl === undefined) throw new HubError(404, `${id} is not on Xet`);
  const token = { ...cas.token(internalId), casUrl };
  const headers = {
    "X-Xet-Cas-Url": casUrl,
    "X-Xet-Access-Token": token.accessToken,
    "X-Xet-Token-Expiration": String(token.exp),
  };
  return jsonReply(token, { headers });
}

/** The same question for the next page. */
function nextLink(url: URL, hubUrl: string, cursor: string | undefined): Record<string, string> {
  if (cursor === undefined) return {};
  const next = new URL(`${url.pathname}${url.search}`, hubUrl);
  next.searchParams.set("cursor", cursor);
  return { Link: `<${next.href}>; rel="next"` };
}
