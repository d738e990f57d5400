import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { gitCommitId, gitObjectId, gitTree, lfsPointer, type TreeFile } from "./git-objects.ts";
import type { FileLocation } from "./reply.ts";
import type { ListedFile } from "./list-folder.ts";
import type { Repository } from "./repository.ts";
import type { XorbStore } from "./xet/xorb-store.ts";

export interface LfsFile {
  readonly oid: string;
  readonly size: number;
  readonly pointerSize: number;
}

export interface SnapshotFile extends ListedFile {
  /** Id of the git blob: of the file, or of its pointer if it is a large one. */
  readonly oid: string;
  readonly lfs: LfsFile | undefined;
  /** Names the file on the content-addressed store, where the hub has one. */
  readonly xetHash: string | undefined;
}

/** A repository at one commit. */
export interface Snapshot {
  readonly sha: string;
  readonly repository: Repository;
  readonly files: readonly SnapshotFile[];
  readonly folders: readonly TreeFile[];
}

/** Endings of the files that repositories keep in LFS whatever their size (the Hub's default `.gitattributes`). */
const LFS_ENDING =
  /\.(7z|arrow|bin|bz2|ckpt|ftz|gguf|gz|h5|joblib|mlmodel|model|msgpack|npy|npz|onnx|ot|parquet|pb|pickle|pkl|pt|pth|rar|safetensors|tar|tflite|tgz|wasm|xz|zip|zst)$/i;

/** Above this size the Hub takes a file only through LFS. */
export const LFS_THRESHOLD_BYTES = 10_000_000;

const isLfs = (file: ListedFile): boolean => LFS_ENDING.test(file.path) || file.size > LFS_THRESHOLD_BYTES;

/** Remembers hashes by where a file lies and its stamp, so a file is read once until it is replaced. */
export class FileHashes {
  readonly #known = new Map<string, { readonly stamp: string; readonly hash: Promise<string> }>();

  hash(location: FileLocation, algorithm: "sha1" | "sha256", prefix: string): Promise<string> {
    const known = this.#known.get(location.path);
    if (known?.stamp === location.stamp) return known.hash;
    const hash = hashFile(location.path, algorithm, prefix);
    this.#known.set(location.path, { stamp: location.stamp, hash });
    hash.catch(() => this.#known.delete(location.path));
    return hash;
  }
}

/** Reads every file of a repository once and gives the ids that git would give. */
export async function takeSnapshot(
  repository: Repository,
  hashes: FileHashes,
  xorbs: XorbStore | undefined,
): Promise<Snapshot> {
  const files: SnapshotFile[] = [];
  for (const file of repository.files) {
    if (isLfs(file)) {
      const sha256 = await hashes.hash(file.location, "sha256", "");
      const pointer = lfsPointer(sha256, file.size);
      const lfs = { oid: sha256, size: file.size, pointerSize: pointer.length };
      const xetHash = await xorbs?.add(file.location, sha256, repository.internalId);
      files.push({ ...file, oid: gitObjectId("blob", pointer), lfs, xetHash });
    } else {
      const oid = await hashes.hash(file.location, "sha1", `blob ${file.size}\0`);
      files.push({ ...file, oid, lfs: undefined, xetHash: undefined });
    }
  }
  const tree = gitTree(files);
  return { sha: gitCommitId(tree.oid, repository.id), repository, files, folders: tree.folders };
}

async function hashFile(path: string, algorithm: string, prefix: string): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
