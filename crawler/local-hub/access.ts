import { gatedRepo, repoNotFound } from "./hub-error.ts";
import { settingsOf, type HubSettings } from "./hub-settings.ts";
import type { Repository } from "./repository.ts";

/** Who asks. */
export interface Visitor {
  /** Undefined without a token. */
  readonly token: string | undefined;
  readonly name: string | undefined;
  readonly mayRead: readonly string[];
}

/** Reads the `Authorization` header. Undefined if it holds a token that the hub does not know. */
export function identifyVisitor(authorization: string | undefined, settings: HubSettings): Visitor | undefined {
  if (authorization === undefined) return { token: undefined, name: undefined, mayRead: [] };
  const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  const accounts = settings.tokens;
  if (token !== undefined && accounts === undefined) return { token, name: "guest", mayRead: [] };
  const account = token !== undefined && accounts && Object.hasOwn(accounts, token) ? accounts[token] : undefined;
  if (token === undefined || account === undefined) return undefined;
  return { token, name: account.name, mayRead: account.mayRead };
}

const holds = (visitor: Visitor, { type, id }: Repository): boolean =>
  visitor.mayRead.includes(type === "model" ? id : `${type}s/${id}`);

/** Whether the repository exists for this visitor: a private one does only for those who may read it. */
export const maySee = (visitor: Visitor, repository: Repository, settings: HubSettings): boolean =>
  !settingsOf(settings, repository.type, repository.id).private || holds(visitor, repository);

/** Throws RepoNotFound unless the repository exists for this visitor. */
export function requireVisible(
  visitor: Visitor,
  repository: Repository | undefined,
  settings: HubSettings,
): asserts repository is Repository {
  if (repository === undefined || !maySee(visitor, repository, settings)) {
    throw repoNotFound(visitor.token !== undefined);
  }
}

/** Throws GatedRepo unless the visitor may read the files. What a gated repository holds is public, its files are not. */
export function requireContents(visitor: Visitor, repository: Repository, settings: HubSettings): void {
  if (settingsOf(settings, repository.type, repository.id).gated !== false && !holds(visitor, repository)) {
    throw gatedRepo(repository.type, repository.id, visitor.token !== undefined);
  }
}
