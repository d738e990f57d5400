import { checkSha256 } from "../crawler/check-sha256.ts";
import { checkHeader } from "../crawler/checkpoint/check-header.ts";
import type { Checkpoint } from "../crawler/checkpoint/open-checkpoint.ts";
import { PartHashes, type ReadPart } from "../crawler/checkpoint/part-hashes.ts";
import { CheckpointError } from "../crawler/errors.ts";
import type { TensorRange } from "../crawler/fetch-tensors.ts";
import type { Repository } from "../crawler/repository.ts";

/** Files that are read from end to end, and what is read of them besides. */
export interface WholeFiles {
  readonly checkpoint: Checkpoint;
  /** All that is to be read, of a file its whole first. */
  readonly ranges: readonly TensorRange[];
  readonly whole: ReadonlySet<string>;
  /** The hub's sha256 by path. */
  readonly sha256: ReadonlyMap<string, string>;
}

/**
 * A repository of which files that are read whole are compared with their sha256, and all that was or will be read of them
 * apart with what they turn out to be: headers, and tensors that lie in the same bytes as others. Reads throw
 * CheckpointError at their end when something differs.
 */
export function checkWholeFiles(
  repository: Pick<Repository, "readRange">,
  { checkpoint, ranges, whole, sha256 }: WholeFiles,
): Pick<Repository, "readRange"> {
  const hashes = new Map<string, PartHashes>();
  return {
    readRange(path, begin, end, signal) {
      const bytes = repository.readRange(path, begin, end, signal);
      const expected = sha256.get(path);
      if (!whole.has(path) || expected === undefined) return bytes;
      if (begin !== 0) return checkPart(bytes, { file: path, begin, end }, hashes.get(path));
      const headers = (checkpoint.headers ?? []).filter(({ file }) => file === path);
      const parts = new PartHashes([...headers, ...ranges.filter((range) => range.file === path && range.begin > 0)]);
      hashes.set(path, parts);
      const same = watch(checkSha256(bytes, { path, sha256: expected }), parts, headers);
      return path.endsWith(".safetensors") ? checkHeader(same, { path, size: end }, checkpoint.tensors.values()) : same;
    },
  };
}

/** Passes a whole file's bytes on, and compares what was read of it before. */
async function* watch(
  bytes: AsyncIterable<Uint8Array>,
  parts: PartHashes,
  headers: readonly ReadPart[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    parts.add(chunk);
    yield chunk;
  }
  for (const header of headers) if (parts.sha256(header) !== header.sha256) throw differs(header);
}

/** Passes a part's bytes on, and compares them with those that the whole file had there. */
async function* checkPart(
  bytes: AsyncIterable<Uint8Array>,
  part: Pick<ReadPart, "file" | "begin" | "end">,
  whole: PartHashes | undefined,
): AsyncGenerator<Uint8Array> {
  const own = new PartHashes([{ begin: 0, end: part.end - part.begin }]);
  for await (const chunk of bytes) {
    own.add(chunk);
    yield chunk;
  }
  const expected = whole?.sha256(part);
  if (expected === undefined || own.sha256({ begin: 0, end: part.end - part.begin }) !== expected) throw differs(part);
}

const differs = ({ file, begin, end }: Pick<ReadPart, "file" | "begin" | "end">): CheckpointError =>
  new CheckpointError(`${file}: bytes ${begin}-${end}, read apart, were not those that the file has`);
