import { once } from "node:events";
import { open, type FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Transmission } from "./faults.ts";
import { fileStamp } from "./file-stamp.ts";
import { revisionNotFound } from "./hub-error.ts";
import { bodyLength, type Body } from "./reply.ts";
import type { LoggedRequest } from "./request-log.ts";

/** Bytes of a file that are in memory at a time, for each request. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Writes an answer to the socket, with whatever fault was chosen for it. Reads a file only as fast as the client takes it,
 * and only if it is still the one that was listed. Throws before anything is written, or not at all.
 */
export async function sendReply(
  response: ServerResponse,
  { reply, delayMs, end, trickle, corruptAt, isFaulty }: Transmission,
  entry: LoggedRequest,
  signal: AbortSignal,
): Promise<void> {
  const file = await openBody(reply.body);
  try {
    if (delayMs > 0) await sleep(delayMs, undefined, { signal }).catch(() => undefined);
    const hasLength = reply.status !== 304;
    response.writeHead(reply.status, {
      ...reply.headers,
      ...(hasLength && { "Content-Length": String(bodyLength(reply.body)) }),
    });
    entry.status = reply.status;
    if (isFaulty) entry.isFaulty = true;
    if (entry.method !== "HEAD") {
      for await (const bytes of readBody(reply.body, file)) {
        if (response.destroyed || signal.aborted) break;
        const room = end === undefined ? bytes.length : Math.max(0, end.afterBytes - entry.bytesSent);
        const sound = bytes.subarray(0, room);
        const chunk = spoil(sound, corruptAt, entry.bytesSent);
        const isLate = trickle !== undefined && chunk.length > 0;
        if (isLate || chunk !== sound || chunk.length < bytes.length) entry.isFaulty = true;
        entry.bytesSent += chunk.length;
        if (trickle) await drip(response, chunk, trickle, signal);
        else if (!response.write(chunk)) await drained(response);
        if (chunk.length < bytes.length) return await breakOff(response, end?.kind, signal);
      }
    }
    response.end();
  } catch {
    response.destroy(); // the client went away, or the disk failed: the length shows that it is not all
  } finally {
    await file?.close();
  }
}

/** Writes bytes with a pause after every few. */
async function drip(
  response: ServerResponse,
  chunk: Uint8Array,
  { bytes, pauseMs }: { readonly bytes: number; readonly pauseMs: number },
  signal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < chunk.length && !response.destroyed; at += bytes) {
    if (!response.write(chunk.subarray(at, at + bytes))) await drained(response);
    await sleep(pauseMs, undefined, { signal });
  }
}

async function openBody(body: Body): Promise<FileHandle | undefined> {
  if (body.kind === "bytes") return undefined;
  const handle = await open(body.location.path).catch(() => undefined);
  if (handle === undefined) throw revisionNotFound("the file was removed");
  if (fileStamp(await handle.stat({ bigint: true })) === body.location.stamp) return handle;
  await handle.close();
  throw revisionNotFound("the file was replaced");
}

async function* readBody(body: Body, file: FileHandle | undefined): AsyncGenerator<Uint8Array> {
  if (body.kind === "bytes") {
    yield body.bytes;
    return;
  }
  for (let at = body.start; file !== undefined && at < body.end;) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, body.end - at));
    const { bytesRead } = await file.read({ buffer, position: at });
    if (bytesRead === 0) throw new Error("the file became shorter while it was sent");
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function spoil(chunk: Uint8Array, corruptAt: number | undefined, offset: number): Uint8Array {
  const index = (corruptAt ?? -1) - offset;
  if (index < 0 || index >= chunk.length) return chunk;
  return chunk.with(index, (chunk[index] ?? 0) ^ 0xff);
}

/** Waits until the socket takes more bytes, or is gone. */
async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return; // its close has been told already
  const done = new AbortController();
  try {
    const events = ["drain", "close"].map((event) => once(response, event, { signal: done.signal }));
    await Promise.race(events.map((event) => event.catch(() => undefined)));
  } finally {
    done.abort();
  }
}

async function breakOff(
  response: ServerResponse,
  kind: "cut" | "stall" | undefined,
  signal: AbortSignal,
): Promise<void> {
  response.flushHeaders();
  if (kind === "stall" && !signal.aborted && !response.destroyed) {
    await once(response, "close", { signal }).catch(() => undefined);
  }
  // What was written goes out first: the client sees the bytes before the break.
  response.socket?.destroySoon();
}
