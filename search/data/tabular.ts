import { basename, dirname, extname, isAbsolute, join } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { byCodeUnits, type DataSet, type ImageItem, type Item, type TextItem } from "./data-set.ts";
import { findColumns, type FoundColumns, type TableColumns } from "./find-columns.ts";
import { HELD_BACK_SHARE, holdBack } from "./hold-back.ts";
import { openTable, quoteColumn, type Table } from "./open-table.ts";
import { unpackImages } from "./unpack-images.ts";

export interface TableOptions {
  /** Files of the same columns. */
  readonly train: readonly string[];
  /** Files to test on; empty: the rows whose split says so, or else a part that is held back. */
  readonly test?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  readonly columns?: TableColumns | undefined;
  /** Folder that pictures inside the tables are unpacked to. */
  readonly unpackTo: string;
  readonly signal?: AbortSignal | undefined;
}

/** A data set of more rows is not searched with; this keeps a wrong file from filling the memory. */
const MAX_ROWS = 2_000_000;
const TRAIN_SPLITS = ["train", "training"];
/** In this order, as for folders. */
const TEST_SPLITS = ["test", "testing", "val", "valid", "validation", "dev"];

/** A row: an item whose class is still spelt out. */
interface Row {
  readonly label: string;
  readonly split: string | undefined;
  readonly toItem: (label: number) => Item;
}

/**
 * Reads a data set from CSV, JSONL or Parquet files: a column of picture paths (relative to the file), picture bytes or
 * texts, a column of labels, and perhaps one that says which part a row belongs to.
 * @throws InputError when columns cannot be told or values are missing
 */
export async function loadTable(options: TableOptions): Promise<DataSet> {
  const { seed = 0 } = options;
  const [first = ""] = options.train;
  const rows = await readFiles(options.train, options);
  if (rows.length === 0) throw new InputError(`${first} has no rows`);
  const notes: string[] = [];
  const name = basename(first, extname(first));
  let learnt = rows;
  let tested: Row[] | undefined;
  if (options.test && options.test.length > 0) {
    tested = await readFiles(options.test, options);
  } else {
    const split = chooseSplit(rows);
    if (split) {
      learnt = rows.filter((row) => row.split !== undefined && TRAIN_SPLITS.includes(row.split));
      tested = rows.filter((row) => row.split === split);
      const left = rows.length - learnt.length - tested.length;
      if (learnt.length === 0) throw new InputError(`${first}: no rows with the split ${TRAIN_SPLITS.join(" or ")}`);
      if (left > 0) notes.push(`tested on the split ${split}; ${left} rows of other splits are not used`);
    }
  }
  const classes = [...new Set(learnt.map(({ label }) => label))].sort(byLabel);
  if (classes.length < 2) throw new InputError(`${first} has only one class, "${classes[0]}"; at least two are needed`);
  const known = new Map(classes.map((label, i) => [label, i]));
  const unknown = new Set(tested?.map(({ label }) => label).filter((label) => !known.has(label)));
  if (unknown.size > 0) {
    const named = [...unknown].slice(0, 10).map((label) => `"${label}"`);
    throw new InputError(`the test part has classes that the training part does not have: ${named.join(", ")}`);
  }
  const toItems = (part: readonly Row[]) => part.map(({ label, toItem }) => toItem(known.get(label) ?? -1));
  let train = toItems(learnt);
  let test = tested && toItems(tested);
  if (!test) {
    const total = train.length;
    ({ train, test } = holdBack(train, classes, seed));
    notes.push(`no test part: ${HELD_BACK_SHARE * 100} % of each class held back (${test.length} of ${total})`);
  }
  if (test.length === 0) throw new InputError("the test part has no rows");
  return assemble({ name, classes, notes }, train, test);
}

function assemble(shared: Pick<DataSet, "name" | "classes" | "notes">, train: Item[], test: Item[]): DataSet {
  const isImage = (item: Item): item is ImageItem => item.kind === "image";
  const isText = (item: Item): item is TextItem => item.kind === "text";
  if (train.every(isImage) && test.every(isImage)) return { kind: "image", ...shared, train, test };
  if (train.every(isText) && test.every(isText)) return { kind: "text", ...shared, train, test };
  throw new InputError("the training and the test part hold different things: pictures here, texts there");
}

function chooseSplit(rows: readonly Row[]): string | undefined {
  const splits = new Set(rows.map(({ split }) => split));
  return TEST_SPLITS.find((split) => splits.has(split));
}

/** Numbers by size, everything else by code units. */
const byLabel = (a: string, b: string): number =>
  NUMBER.test(a) && NUMBER.test(b) ? Number(a) - Number(b) || byCodeUnits(a, b) : byCodeUnits(a, b);
const NUMBER = /^-?\d+(\.\d+)?$/;

async function readFiles(paths: readonly string[], options: TableOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const path of paths) {
    options.signal?.throwIfAborted();
    const table = await openTable(path);
    try {
      rows.push(...(await readRows(table, findColumns(table.columns, options.columns ?? {}, path), options)));
    } finally {
      table.close();
    }
    if (rows.length > MAX_ROWS) throw new InputError(`${path} has more than ${MAX_ROWS} rows; take a sample of it`);
  }
  return rows;
}

async function readRows(table: Table, found: FoundColumns, { unpackTo, signal }: TableOptions): Promise<Row[]> {
  const { content } = found;
  const column = quoteColumn(content.column);
  const bytes = content.kind === "bytes" && content.struct ? `struct_extract(${column}, 'bytes')` : column;
  const path = content.kind === "bytes" ? (content.struct ? structPath(table, content.column) : "NULL") : column;
  const names = await table.classNames(found.label);
  const values: { label: string; split: string | undefined; text: string | undefined; length: number }[] = [];
  const missing: string[] = [];
  for await (const [label, split, text, length] of table.select([
    `CAST(${quoteColumn(found.label)} AS VARCHAR)`,
    found.split === undefined ? "NULL" : `lower(CAST(${quoteColumn(found.split)} AS VARCHAR))`,
    `CAST(${path} AS VARCHAR)`,
    content.kind === "bytes" ? `octet_length(${bytes})` : "NULL",
  ])) {
    signal?.throwIfAborted();
    if (values.length >= MAX_ROWS)
      throw new InputError(`${table.name} has more than ${MAX_ROWS} rows; take a sample of it`);
    const row = values.length + 1;
    if (typeof label !== "string") missing.push(`row ${row} has no label`);
    else if (typeof text !== "string" && !Number(length ?? 0)) missing.push(`row ${row} has no ${content.column}`);
    else if (content.kind === "path" && /^https?:/.test(String(text)))
      missing.push(`row ${row} names an address, not a file`);
    values.push({
      label: typeof label === "string" ? (names?.[Number(label)] ?? label) : "",
      split: typeof split === "string" ? split : undefined,
      text: typeof text === "string" ? text : undefined,
      length: Number(length ?? 0),
    });
  }
  if (missing.length > 0) {
    const more = missing.length > 10 ? `, and ${missing.length - 10} more` : "";
    throw new InputError(`${table.name}: ${missing.slice(0, 10).join(", ")}${more}`);
  }
  const lengths = values.map(({ length }) => length);
  const packed = content.kind === "bytes" ? await unpackImages(table, bytes, lengths, unpackTo, signal) : undefined;
  let end = 0;
  return values.map(({ label, split, text = "", length }, i): Row => {
    const id = `${table.name}:${i + 1}`;
    if (content.kind === "text") return { label, split, toItem: (index) => ({ kind: "text", id, label: index, text }) };
    const begin = end;
    end += length;
    const place =
      packed !== undefined && length > 0
        ? { path: packed, range: { begin, end } }
        : { path: isAbsolute(text) ? text : join(dirname(table.path), text) };
    const shown = text === "" ? id : `${id} ${text}`;
    return { label, split, toItem: (index) => ({ kind: "image", id: shown, label: index, ...place }) };
  });
}

/** The path beside the bytes; some writers leave it out. */
function structPath(table: Table, name: string): string {
  const type = table.columns.find((column) => column.name === name)?.type ?? "";
  return /\bpath"? VARCHAR/.test(type) ? `struct_extract(${quoteColumn(name)}, 'path')` : "NULL";
}
