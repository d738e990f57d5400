import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { stampOf } from "./file-stamp.ts";

/** What the files of a repository cannot say. */
const repositorySettings = z.strictObject({
  private: z.boolean().default(false),
  gated: z.union([z.literal(false), z.enum(["auto", "manual"])]).default(false),
  downloads: z.int().nonnegative().default(0),
  likes: z.int().nonnegative().default(0),
  createdAt: z.iso.datetime().optional(),
  lastModified: z.iso.datetime().optional(),
  tags: z.array(z.string()).default([]),
});

/** An account: which gated and private repositories its token opens (`org/name`, `datasets/org/name`). */
const account = z.strictObject({ name: z.string().min(1), mayRead: z.array(z.string()).default([]) });

const hubSettings = z.strictObject({
  /** By `org/name`, or `datasets/org/name`. A repository that is not named here is public. */
  repositories: z.record(z.string(), repositorySettings).default({}),
  /** By token. A hub without accounts takes any token, and no token opens more than none does. */
  tokens: z.record(z.string(), account).optional(),
});

export type RepositorySettings = z.output<typeof repositorySettings>;
export type HubSettings = z.output<typeof hubSettings>;
export type HubSettingsInput = z.input<typeof hubSettings>;

/** Checks settings that come from outside. Says which field is wrong, and why. */
export function parseHubSettings(value: unknown, source: string): HubSettings {
  const result = hubSettings.safeParse(value);
  if (!result.success) throw new Error(`${source} is not valid:\n${z.prettifyError(result.error)}`);
  return result.data;
}

/** Reads `hub.json` beside the repositories, again only after it has changed. A hub without one is all public. */
export class HubSettingsFile {
  readonly #path: string;
  #stamp: string | undefined;
  #settings: HubSettings = parseHubSettings({}, "no settings");

  constructor(root: string) {
    this.#path = path.join(root, "hub.json");
  }

  async read(): Promise<HubSettings> {
    const stamp = await stampOf(this.#path);
    if (stamp !== this.#stamp) {
      this.#settings = parseHubSettings(stamp === undefined ? {} : await readJson(this.#path), this.#path);
      this.#stamp = stamp;
    }
    return this.#settings;
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new Error(`${file} is not valid JSON`, { cause });
  }
}

/** The settings of one repository, all defaults where the hub states none. */
export function settingsOf(settings: HubSettings, type: string, id: string): RepositorySettings {
  const key = type === "model" ? id : `${type}s/${id}`;
  return (Object.hasOwn(settings.repositories, key) ? settings.repositories[key] : undefined) ?? noSettings;
}

const noSettings = repositorySettings.parse({});
