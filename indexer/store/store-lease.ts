import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { writeDurably } from "./durable-file.ts";

/** A command that reads blocks of the store, and since when: it knows them from a catalog no older than that. */
const leaseSchema = z.object({ pid: z.int(), host: z.string(), startedAt: z.iso.datetime() });

export type StoreLease = z.output<typeof leaseSchema>;

/** No command runs so long; a lease of another machine that is older was left behind. */
const LONGEST_MS = 30 * 24 * 3600_000;

const leasesFolder = (home: string): string => join(home, "store", "leases");

/**
 * Keeps blocks in the store while work runs that knows them from the catalog of now, even when a crawl replaces them in
 * the catalog and `index --gc` runs meanwhile. Take it before the catalog is opened. A process that dies leaves its lease
 * behind, which then no longer counts.
 */
export async function withStoreLease<T>(home: string, work: () => Promise<T>): Promise<T> {
  const path = join(leasesFolder(home), `${randomUUID()}.json`);
  const lease: StoreLease = { pid: process.pid, host: hostname(), startedAt: new Date().toISOString() };
  const isKept = await mkdir(leasesFolder(home), { recursive: true })
    .then(() => writeDurably(path, JSON.stringify(lease)))
    .then(() => true, isReadOnly);
  try {
    return await work();
  } finally {
    if (isKept) await rm(path, { force: true });
  }
}

/** A home that cannot be written has no blocks removed either. @throws any other cause */
function isReadOnly(cause: unknown): false {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") return false;
  throw cause;
}

/** The leases of commands that still run; those of dead ones are removed. */
export async function listLeases(home: string): Promise<StoreLease[]> {
  const leases: StoreLease[] = [];
  for (const name of await readdir(leasesFolder(home)).catch(() => [])) {
    if (!name.endsWith(".json")) continue;
    const path = join(leasesFolder(home), name);
    const text = await readFile(path, "utf8").catch(() => null); // given back meanwhile
    if (text === null) continue;
    const lease = parseLease(text);
    if (lease && isAlive(lease)) leases.push(lease);
    else await rm(path, { force: true });
  }
  return leases;
}

function parseLease(text: string): StoreLease | null {
  try {
    return leaseSchema.parse(JSON.parse(text));
  } catch {
    return null; // written by no program of this kind: leases appear whole
  }
}

function isAlive({ pid, host, startedAt }: StoreLease): boolean {
  if (Date.now() - Date.parse(startedAt) > LONGEST_MS) return false;
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM"; // it is another user's
  }
}
