import { createHash } from "node:crypto";
import { CheckpointError } from "../errors.ts";
import type { Repository } from "../repository.ts";
import { show, type HubClient } from "./hub-client.ts";
import { HubError } from "./hub-error.ts";
import { listRepositoryFiles } from "./list-repository-files.ts";

/** How often a body that breaks off may go on from where it broke, without a byte in between. */
const MAX_BREAKS = 5;

/** A repository's files on a hub, pinned to a commit. */
export function openHubRepository(
  client: HubClient,
  id: string,
  revision: string,
  type: "model" | "dataset" = "model",
): Repository {
  const place = type === "model" ? id : `datasets/${id}`;
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

  return {
    id,
    revision,
    listFiles: (signal) => listRepositoryFiles(client, { place: `${type}s/${id}`, revision, signal }),
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
      let position = begin;
      let breaks = 0;
      while (position < end) {
        const response = await openRange(path, position, end, signal);
        checkRange(response, path, position, end);
        try {
          for await (const chunk of bodyOf(response)) {
            const wanted = chunk.subarray(0, end - position);
            position += wanted.byteLength;
            client.traffic.bytes += wanted.byteLength;
            breaks = 0;
            yield wanted;
            if (position === end) break;
          }
        } catch (cause) {
          if (signal?.aborted || cause instanceof CheckpointError) throw cause;
        }
        if (position < end && ++breaks > MAX_BREAKS) {
          throw new HubError(`${show(addressOf(path))} breaks off at byte ${position} of ${end}`, response.status, "");
        }
      }
    },
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

function checkRange(response: Response, path: string, begin: number, end: number): void {
  const said = response.headers.get("content-range");
  const [, first] = /^bytes (\d+)-/.exec(said ?? "") ?? [];
  if (response.status === 206 && Number(first) === begin) return;
  throw new CheckpointError(
    `${path}: bytes ${begin}-${end} were asked for; the hub answered ${response.status} with range ${said ?? "none"}`,
  );
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body) yield* response.body as unknown as AsyncIterable<Uint8Array>;
}
