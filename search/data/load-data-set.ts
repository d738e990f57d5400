import { stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { skipBadItems } from "./check-items.ts";
import type { DataSet } from "./data-set.ts";
import type { HubDataSetFiles } from "./hub-data-set.ts";
import { loadImageFolder } from "./imagefolder.ts";
import type { TableColumns } from "./find-columns.ts";
import { TABLE_EXTENSIONS } from "./open-table.ts";
import { loadTable } from "./tabular.ts";

export interface LoadDataSetOptions {
  /** A folder of pictures (see loadImageFolder), or a CSV, JSONL or Parquet file (see loadTable). */
  readonly path: string;
  /** The test part, of the same kind, where it is not beside or inside the data. */
  readonly test?: string | undefined;
  /** Decides what is held back where there is no test part. Default 0. */
  readonly seed?: number | undefined;
  /** Where pictures that a table holds are unpacked to: `<home>/cache/data`. */
  readonly home: string;
  /** Names of a table's columns, where they are not found by themselves. */
  readonly columns?: TableColumns | undefined;
  /** Brings the files of `hf:org/name` onto this disk. */
  readonly fetchHub?: ((id: string) => Promise<HubDataSetFiles>) | undefined;
  /** Decode all pictures now, and go on without those that cannot be. */
  readonly skipBadItems?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Before the id of a data set on the hub. */
const HUB_PREFIX = "hf:";

/**
 * Lists the user's examples. Pictures are not decoded yet (except with skipBadItems): unreadable ones are found, all at
 * once, when they are prepared.
 * @throws InputError when there is no such data set, or it cannot be used as it is
 */
export async function loadDataSet(options: LoadDataSetOptions): Promise<DataSet> {
  const dataSet = await load(options);
  if (options.skipBadItems !== true || dataSet.kind === "text") return dataSet;
  return skipBadItems(dataSet, { signal: options.signal });
}

async function load({ path, test, seed, home, columns, fetchHub, signal }: LoadDataSetOptions): Promise<DataSet> {
  const unpackTo = join(home, "cache", "data");
  if (path.startsWith(HUB_PREFIX)) {
    if (!fetchHub) throw new InputError(`--data: ${path} needs a hub`);
    const files = await fetchHub(path.slice(HUB_PREFIX.length));
    return loadTable({ ...files, seed, columns, unpackTo, signal });
  }
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new InputError(`--data: there is no file or folder ${path}`);
  if (test !== undefined && !(await stat(test).catch(() => undefined))) {
    throw new InputError(`--test: there is no file or folder ${test}`);
  }
  if (found.isDirectory()) return loadImageFolder({ path, test, seed });
  if (!TABLE_EXTENSIONS.includes(extname(path).toLowerCase())) {
    throw new InputError(`--data: expected a folder or a file ending in ${TABLE_EXTENSIONS.join(", ")}, got ${path}`);
  }
  return loadTable({ train: [path], test: test === undefined ? [] : [test], seed, columns, unpackTo, signal });
}
