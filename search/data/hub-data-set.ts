import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { datasetInfo, listFiles } from "@huggingface/hub";
import { InputError } from "../../crawler/errors.ts";
import { isModelId } from "../../crawler/families.ts";
import type { HubClient } from "../../crawler/hub/hub-client.ts";
import { openHubRepository } from "../../crawler/hub/hub-repository.ts";
import { publishFile } from "../../indexer/store/durable-file.ts";

/** The Parquet files of a hub's data set, on this disk. */
export interface HubDataSetFiles {
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** The commit that was read. */
  readonly revision: string;
}

export interface HubDataSetOptions {
  readonly client: HubClient;
  /** `org/name` */
  readonly id: string;
  readonly home: string;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: (done: number, total: number) => void;
}

/** Where the Hub keeps the Parquet form of data sets that are stored otherwise. */
const CONVERTED = "refs/convert/parquet";

type Split = "train" | "test";

/** The split that a path names, as the Hub's own naming has it (`data/train-00000-of-00002.parquet`, `test/0000.parquet`). */
export function splitOf(path: string): Split | null {
  const [, word] = /(?:^|[/_.-])(train|test|validation|valid|val|dev)(?=[-_./\d]|$)/.exec(path) ?? [];
  if (word === undefined) return null;
  return word === "train" ? "train" : "test";
}

/**
 * Downloads the Parquet files of a data set on a hub to `<home>/cache/data`, each once.
 * @throws InputError when there is no such data set, or it has no Parquet files
 */
export async function fetchHubDataSet(options: HubDataSetOptions): Promise<HubDataSetFiles> {
  const { client, id, home, signal, onBytes } = options;
  if (!isModelId(id)) throw new InputError(`--data: ${JSON.stringify(id)} is not the id of a data set (hf:org/name)`);
  const revision = await revisionOf(client, id);
  let files = await parquetFiles(client, id, revision);
  if (files.length === 0) files = await parquetFiles(client, id, CONVERTED).catch(() => []);
  if (files.length === 0) throw new InputError(`--data: the data set ${id} has no Parquet files`);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const paths: Record<Split, string[]> = { train: [], test: [] };
  let done = 0;
  for (const { path, size, at } of files) {
    const key = createHash("sha256").update(`${id}\n${revision}\n${path}`).digest("hex");
    const target = join(home, "cache", "data", "hub", `${key}.parquet`);
    await download(client, id, at, path, size, target, signal);
    paths[splitOf(path) ?? "train"].push(target);
    onBytes?.((done += size), total);
  }
  if (paths.train.length === 0) throw new InputError(`--data: the data set ${id} has no training part`);
  return { ...paths, revision };
}

async function revisionOf(client: HubClient, id: string): Promise<string> {
  try {
    const { sha } = await datasetInfo({ name: id, hubUrl: client.url, fetch: client.fetch, additionalFields: ["sha"] });
    return sha;
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(`--data: the hub ${client.url} has no data set ${id} (or the token gives no access to it)`, {
      cause,
    });
  }
}

async function parquetFiles(client: HubClient, id: string, revision: string) {
  const files: { path: string; size: number; at: string }[] = [];
  const repo = { type: "dataset", name: id } as const;
  for await (const { type, path, size } of listFiles({
    repo,
    revision: encodeURIComponent(revision),
    recursive: true,
    hubUrl: client.url,
    fetch: client.fetch,
  })) {
    if (type === "file" && path.endsWith(".parquet")) files.push({ path, size, at: revision });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function download(
  client: HubClient,
  id: string,
  revision: string,
  path: string,
  size: number,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const isThere = await access(target).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await mkdir(dirname(target), { recursive: true });
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      const repository = openHubRepository(client, id, encodeURIComponent(revision), "dataset");
      for await (const chunk of repository.readRange(path, 0, size, signal)) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await publishFile(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}
