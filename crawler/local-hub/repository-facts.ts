import { settingsOf, type HubSettings, type RepositorySettings } from "./hub-settings.ts";
import type { Repository } from "./repository.ts";

/** The Hub gives this creation date to every repository that is older than its records. */
const OLDEST_CREATION = "2022-03-02T23:29:04.000Z";

/** A repository with what the hub's settings say of it: what lists are filtered and sorted by. */
export interface RepositoryFacts extends Pick<RepositorySettings, "private" | "gated" | "downloads" | "likes"> {
  readonly repository: Repository;
  readonly author: string;
  readonly tags: readonly string[];
  readonly createdAt: string;
  readonly lastModified: string;
}

/** Joins a repository with its settings. Dates are ISO 8601 with milliseconds, so they sort as text. */
export function repositoryFacts(repository: Repository, settings: HubSettings): RepositoryFacts {
  const stated = settingsOf(settings, repository.type, repository.id);
  return {
    repository,
    author: repository.id.split("/")[0] ?? "",
    private: stated.private,
    gated: stated.gated,
    downloads: stated.downloads,
    likes: stated.likes,
    tags: [...new Set([...repository.tags, ...stated.tags])],
    createdAt: new Date(stated.createdAt ?? OLDEST_CREATION).toISOString(),
    lastModified: new Date(stated.lastModified ?? repository.changedAtMs).toISOString(),
  };
}
