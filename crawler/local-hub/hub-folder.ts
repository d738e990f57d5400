import { copyFile, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { isMissing } from "../is-missing.ts";
import { stampOf } from "./file-stamp.ts";
import { revisionNotFound } from "./hub-error.ts";
import { listFolder } from "./list-folder.ts";
import { readRepository, type Repository, type RepoType } from "./repository.ts";
import type { XorbStore } from "./xet/xorb-store.ts";
import { FileHashes, takeSnapshot, type Snapshot, type SnapshotFile } from "./snapshot.ts";

/** What may stand for an org or a repository name. Keeps `..`, separators and hidden folders out of every path. */
const NAME = /^(?!.*(\.\.|--))[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;

const BRANCHES: readonly string[] = ["main", "HEAD", "refs/heads/main"];

/**
 * The folder that is served: `<root>/<org>/<name>/…` are models, `<root>/datasets/<org>/<name>/…` are data sets.
 *
 * It is read anew for every question, so replacing a file makes a new commit at once; what was read from a file is kept
 * until its stamp changes. An older commit is gone then, unless history is kept: then every commit that was ever asked
 * for stays readable, from copies.
 */
export class HubFolder {
  readonly #root: string;
  readonly #keepHistory: boolean;
  readonly #xorbs: XorbStore | undefined;
  readonly #hashes = new FileHashes();
  readonly #repositories = new Map<string, { readonly stamp: string; readonly repository: Promise<Repository> }>();
  readonly #snapshots = new WeakMap<Repository, Promise<Snapshot>>();
  readonly #history = new Map<string, Snapshot>();
  #historyFolder: Promise<string> | undefined;

  constructor(
    root: string,
    { keepHistory = false, xorbs }: { keepHistory?: boolean; xorbs?: XorbStore | undefined } = {},
  ) {
    this.#root = path.resolve(root);
    this.#keepHistory = keepHistory;
    this.#xorbs = xorbs;
  }

  /** All repositories of a type, by id. */
  async list(type: RepoType): Promise<readonly Repository[]> {
    const root = this.#typeRoot(type);
    const orgs = (await foldersIn(root)).filter((org) => type !== "model" || org !== "datasets");
    const ids = await Promise.all(
      orgs.map(async (org) => (await foldersIn(path.join(root, org))).map((name) => `${org}/${name}`)),
    );
    const found = await Promise.all(ids.flat().map((id) => this.find(type, id)));
    return found.filter((repository) => repository !== undefined);
  }

  /** A repository by its id, undefined if there is none. */
  async find(type: RepoType, id: string): Promise<Repository | undefined> {
    const [org, name, ...rest] = id.split("/");
    if (org === undefined || name === undefined || rest.length > 0 || !NAME.test(org) || !NAME.test(name))
      return undefined;
    if (type === "model" && org === "datasets") return undefined;
    try {
      const folder = await listFolder(path.join(this.#typeRoot(type), org, name));
      const key = `${type}s/${id}`;
      const known = this.#repositories.get(key);
      const stamp = `${folder.stamp}-${folder.changedAtMs}`;
      if (known?.stamp === stamp) return await known.repository;
      const repository = readRepository(type, id, folder);
      this.#repositories.set(key, { stamp, repository });
      repository.catch(() => this.#repositories.delete(key));
      return await repository;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** The repository at a branch name or a commit. Throws RevisionNotFound. */
  async snapshot(repository: Repository, revision = "main"): Promise<Snapshot> {
    const current = await this.#takeSnapshot(repository);
    if (BRANCHES.includes(revision) || revision === current.sha) return current;
    const past = this.#history.get(`${repository.internalId}/${revision}`);
    if (past === undefined) throw revisionNotFound(revision);
    return past;
  }

  async close(): Promise<void> {
    if (this.#historyFolder !== undefined) await rm(await this.#historyFolder, { recursive: true, force: true });
  }

  #typeRoot(type: RepoType): string {
    return type === "model" ? this.#root : path.join(this.#root, `${type}s`);
  }

  #takeSnapshot(repository: Repository): Promise<Snapshot> {
    const known = this.#snapshots.get(repository);
    if (known !== undefined) return known;
    const taken = takeSnapshot(repository, this.#hashes, this.#xorbs).then((snapshot) => this.#keep(snapshot));
    this.#snapshots.set(repository, taken);
    taken.catch(() => this.#snapshots.delete(repository));
    return taken;
  }

  async #keep(snapshot: Snapshot): Promise<Snapshot> {
    if (!this.#keepHistory) return snapshot;
    this.#historyFolder ??= mkdtemp(path.join(tmpdir(), "local-hub-history-"));
    const folder = await this.#historyFolder;
    const files: SnapshotFile[] = [];
    for (const file of snapshot.files) {
      const copy = path.join(folder, file.oid);
      if ((await stampOf(copy)) === undefined) {
        const unfinished = `${copy}-${snapshot.sha}`;
        await copyFile(file.location.path, unfinished);
        await rename(unfinished, copy);
      }
      files.push({ ...file, location: { path: copy, stamp: (await stampOf(copy)) ?? "" } });
    }
    const kept = { ...snapshot, files };
    this.#history.set(`${snapshot.repository.internalId}/${snapshot.sha}`, kept);
    return kept;
  }
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
