import { createHash } from "node:crypto";
import { CheckpointError } from "../errors.ts";
import { MAX_GAP_BYTES } from "../fetch-tensors.ts";
import type { Repository, RepositoryFile } from "../repository.ts";
import { openXetAccess } from "../xet/xet-access.ts";
import { openXetFile, type XetFile } from "../xet/open-xet-file.ts";
import { XetError } from "../xet/xet-error.ts";
import { show, type HubClient } from "./hub-client.ts";
import { HubError } from "./hub-error.ts";
import { listRepositoryFiles } from "./list-repository-files.ts";
import { MAX_BREAKS, readThroughBreaks } from "./read-through-breaks.ts";

/**
 * Smaller files are read by plain ranges: the Xet protocol asks for a token, twice for what a file is made of, and for
 * xorbs, and each of these requests takes as long as 512 KiB (see MAX_GAP_BYTES); besides, chunks come whole.
 */
export const MIN_XET_BYTES = 4 * MAX_GAP_BYTES;

export interface HubRepositoryOptions {
  /** Whether large files are read by the Xet protocol where the hub offers it. Default: not. */
  readonly xet?: boolean;
  /** Told of each large file that is read by plain ranges instead, and why. */
  readonly onPlain?: (path: string, reason: string) => void;
}

/** A repository's files on a hub, pinned to a commit. */
export function openHubRepository(
  client: HubClient,
  id: string,
  revision: string,
  type: "model" | "dataset" = "model",
  { xet = false, onPlain }: HubRepositoryOptions = {},
): Repository {
  const place = type === "model" ? id : `datasets/${id}`;
  const access = openXetAccess(client, `${type}s/${id}`, revision);
  const listed = new Map<string, RepositoryFile>();
  const xetFiles = new Map<string, Promise<XetFile | null>>();
  const onBytes = (bytes: number): void => void (client.traffic.bytes += bytes);
  const signed = new Map<string, string>(); // path -> the address that large files redirect to
  const addressOf = (path: string) =>
    `${client.url}/${place}/resolve/${revision}/${path.split("/").map(encodeURIComponent).join("/")}`;

  /** Opens a range; a signed address that has expired is asked for anew. */
  const openRange = async (path: string, begin: number, end: number, signal?: AbortSignal) => {
    const headers = { range: `bytes=${begin}-${end - 1}`, "accept-encoding": "identity" };
    const known = signed.get(path);
    if (known !== undefined) {
      try {
        return (await client.request(known, { headers, signal })).response;
      } catch (cause) {
        if (!(cause instanceof HubError) || (cause.status !== 403 && cause.status !== 401)) throw cause;
        signed.delete(path);
      }
    }
    const { response, url } = await client.request(addressOf(path), { headers, signal });
    if (new URL(url).origin !== new URL(client.url).origin) signed.set(path, url);
    return response;
  };

  /** The file by the Xet protocol; null where it is read by plain ranges. */
  const xetFile = (path: string, signal?: AbortSignal): Promise<XetFile | null> => {
    let opened = xetFiles.get(path);
    if (!opened) {
      opened = openXet(path, signal);
      xetFiles.set(path, opened);
      opened.catch(() => xetFiles.delete(path));
    }
    return opened;
  };

  const openXet = async (path: string, signal?: AbortSignal): Promise<XetFile | null> => {
    const file = listed.get(path);
    if (!file || file.size < MIN_XET_BYTES) return null;
    const { xetHash: hash, size } = file;
    try {
      if (xet && hash !== null) return await openXetFile({ access, hash, size, path, onBytes, signal });
      onPlain?.(path, xet ? "the hub offers no Xet for the file" : "Xet is switched off");
    } catch (cause) {
      const isRefused =
        cause instanceof XetError || (cause instanceof HubError && cause.status < 500 && cause.status !== 429);
      if (signal?.aborted || !isRefused) throw cause;
      onPlain?.(path, `Xet did not work: ${cause.message}`);
    }
    return null;
  };

  return {
    id,
    revision,
    async listFiles(signal) {
      const files = await listRepositoryFiles(client, { place: `${type}s/${id}`, revision, signal });
      for (const file of files) listed.set(file.path, file);
      return files;
    },
    async readFile(path, maxBytes, signal) {
      for (let breaks = 1; ; breaks++) {
        const { response, url } = await client.request(addressOf(path), { signal });
        try {
          const bytes = await readWhole(client, response, path, maxBytes);
          // elsewhere an ETag is of that server's own making
          if (new URL(url).origin === new URL(client.url).origin) checkHash(bytes, response, path);
          return bytes;
        } catch (cause) {
          if (signal?.aborted || cause instanceof CheckpointError) throw cause;
          if (breaks <= MAX_BREAKS) continue;
          throw new HubError(`${show(addressOf(path))} does not arrive whole`, response.status, "", { cause });
        }
      }
    },
    async *readRange(path, begin, end, signal) {
      // before anyone asked what the file is made of, little is read faster by a plain range
      const isXet = xetFiles.has(path) || end - begin >= MAX_GAP_BYTES;
      const file = isXet ? await xetFile(path, signal) : null;
      if (file) yield* file.read(begin, end, signal);
      else {
        yield* readThroughBreaks({
          what: show(addressOf(path)),
          ...{ begin, end, signal, onBytes },
          open: (from, to) => openRange(path, from, to, signal),
        });
      }
    },
    listTerms: async (path, signal) => (await xetFile(path, signal))?.terms() ?? null,
  };
}

/** The hub's ETag of a small file is git's hash of it. */
function checkHash(bytes: Uint8Array, { headers }: Response, path: string): void {
  const [, told] = /^"([0-9a-f]{40})"$/.exec(headers.get("etag") ?? "") ?? [];
  if (told === undefined) return;
  const actual = createHash("sha1").update(`blob ${bytes.byteLength}\0`).update(bytes).digest("hex");
  if (actual !== told) throw new Error(`${path}: git's hash of what arrived is ${actual}, the hub's is ${told}`);
}

async function readWhole(client: HubClient, response: Response, path: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(response)) {
    bytes += chunk.byteLength;
    client.traffic.bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new CheckpointError(`${path} has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body) yield* response.body as unknown as AsyncIterable<Uint8Array>;
}
