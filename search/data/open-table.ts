import { basename, extname, resolve } from "node:path";
import { DuckDBBlobValue, DuckDBInstance, type DuckDBConnection, type DuckDBValue } from "@duckdb/node-api";
import { z } from "zod";
import { InputError } from "../../crawler/errors.ts";
import { quoteText } from "../../indexer/catalog/quote-text.ts";
import type { Column } from "./find-columns.ts";

/** How a file of each kind is read. CSV stays text: a label 01 is not the number 1. */
const READERS: Readonly<Record<string, (file: string) => string>> = {
  ".csv": (file) => `read_csv(${file}, header = true, all_varchar = true)`,
  ".tsv": (file) => `read_csv(${file}, header = true, all_varchar = true, delim = '\\t')`,
  ".jsonl": (file) => `read_json(${file}, format = 'newline_delimited')`,
  ".ndjson": (file) => `read_json(${file}, format = 'newline_delimited')`,
  ".json": (file) => `read_json(${file})`,
  ".parquet": (file) => `read_parquet(${file})`,
};

export const TABLE_EXTENSIONS: readonly string[] = Object.keys(READERS);

/** One file of a table, open for reading. Rows always come in the order of the file. */
export interface Table {
  /** Absolute path, and the name that messages use. */
  readonly path: string;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Rows of SQL expressions over the file's columns. */
  select(expressions: readonly string[]): AsyncGenerator<DuckDBValue[]>;
  /** Names of the classes of a column of integers, where a Parquet file written by `datasets` states them. */
  classNames(column: string): Promise<readonly string[] | undefined>;
  close(): void;
}

export const quoteColumn = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/**
 * Opens a CSV, TSV, JSON, JSONL or Parquet file.
 * @throws InputError when it cannot be read
 */
export async function openTable(path: string): Promise<Table> {
  const name = basename(path);
  const absolute = resolve(path);
  const reader = READERS[extname(path).toLowerCase()];
  if (!reader) throw new InputError(`${path}: expected a file ending in ${TABLE_EXTENSIONS.join(", ")}`);
  // *, ? and [ would match several files.
  const file = quoteText(absolute.replace(/[*?[]/g, "[$&]"));
  const source = reader(file);
  const instance = await DuckDBInstance.create(":memory:", {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
  const connection = await instance.connect();
  const close = (): void => {
    connection.closeSync();
    instance.closeSync();
  };
  try {
    const columns = await describe(connection, source);
    return {
      path: absolute,
      name,
      columns,
      select: (expressions) => streamRows(connection, `SELECT ${expressions.join(", ")} FROM ${source}`, path),
      classNames: (column) =>
        extname(path).toLowerCase() === ".parquet"
          ? readClassNames(connection, file, column)
          : Promise.resolve(undefined),
      close,
    };
  } catch (cause) {
    close();
    throw unreadable(path, cause);
  }
}

async function describe(connection: DuckDBConnection, source: string): Promise<Column[]> {
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
  const columns = described.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }));
  const [first = []] = (await connection.runAndReadAll(`SELECT * FROM ${source} LIMIT 1`)).getRows();
  return columns.map((column, i) => ({ ...column, sample: first[i] ?? undefined }));
}

async function* streamRows(connection: DuckDBConnection, sql: string, path: string): AsyncGenerator<DuckDBValue[]> {
  try {
    const result = await connection.stream(sql);
    for await (const rows of result.yieldRows()) yield* rows;
  } catch (cause) {
    throw cause instanceof InputError ? cause : unreadable(path, cause);
  }
}

/** What `datasets` writes into a Parquet file about its columns, as far as it is read here. */
const noteSchema = z.object({ info: z.object({ features: z.record(z.string(), z.unknown()) }) });
const classLabelSchema = z.object({ names: z.array(z.string()) });

async function readClassNames(connection: DuckDBConnection, file: string, column: string) {
  const found = await connection.runAndReadAll(
    `SELECT value FROM parquet_kv_metadata(${file}) WHERE key::VARCHAR = 'huggingface'`,
  );
  const [[value] = []] = found.getRows();
  if (!(value instanceof DuckDBBlobValue)) return undefined;
  try {
    const note = noteSchema.safeParse(JSON.parse(Buffer.from(value.bytes).toString("utf8")));
    return classLabelSchema.safeParse(note.data?.info.features[column]).data?.names;
  } catch {
    return undefined; // not JSON: a note of another program, and nothing is lost but names
  }
}

/** DuckDB quotes the statement below its message; the first line says what is wrong. */
function unreadable(path: string, cause: unknown): InputError {
  const [first = ""] = (cause instanceof Error ? cause.message : String(cause)).split("\n", 1);
  return new InputError(`cannot read ${path}: ${first}`, { cause });
}
