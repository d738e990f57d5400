import {
  DuckDBListValue,
  DuckDBTimestampValue,
  LIST,
  listValue,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
} from "@duckdb/node-api";

/** Values for the `$name` places of a statement. A list of texts is one value: use `unnest($name)`. */
export type Parameters = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * Runs a prepared statement and reads its rows. Values travel beside the statement, never in it.
 * @param sql a text of this program, not of a user
 */
export async function readRows(connection: DuckDBConnection, sql: string, parameters: Parameters = {}): Promise<Row[]> {
  const values: Record<string, DuckDBValue> = {};
  const types: Record<string, DuckDBType> = {};
  for (const [name, value] of Object.entries(parameters)) {
    const list = typeof value === "object" && value !== null;
    values[name] = list ? listValue([...value]) : value;
    if (list) types[name] = LIST(VARCHAR);
    else if (value === null) types[name] = VARCHAR;
  }
  const reader = await connection.runAndReadAll(sql, values, types);
  return reader.getRowObjects().map((columns) => new Row(columns));
}

/** A row of the catalog: its values under the types that the schema gives them. */
export class Row {
  readonly #columns: Readonly<Record<string, DuckDBValue>>;

  constructor(columns: Readonly<Record<string, DuckDBValue>>) {
    this.#columns = columns;
  }

  text(name: string): string {
    return this.#must(name, this.maybeText(name));
  }

  maybeText(name: string): string | null {
    const value = this.#value(name);
    return typeof value === "string" ? value : null;
  }

  number(name: string): number {
    return this.#must(name, this.maybeNumber(name));
  }

  maybeNumber(name: string): number | null {
    const value = this.#value(name);
    return typeof value === "bigint" ? Number(value) : typeof value === "number" ? value : null;
  }

  boolean(name: string): boolean {
    const value = this.#value(name);
    return this.#must(name, typeof value === "boolean" ? value : null);
  }

  /** A UTC time as ISO 8601. */
  maybeTime(name: string): string | null {
    const value = this.#value(name);
    return value instanceof DuckDBTimestampValue ? new Date(Number(value.micros / 1000n)).toISOString() : null;
  }

  numbers(name: string): number[] {
    return this.#must(name, this.maybeNumbers(name));
  }

  maybeNumbers(name: string): number[] | null {
    const value = this.#value(name);
    return value instanceof DuckDBListValue ? value.items.map(Number) : null;
  }

  #value(name: string): DuckDBValue {
    const value = this.#columns[name];
    if (value === undefined) throw new RangeError(`the catalog's answer has no column ${name}`);
    return value;
  }

  #must<T>(name: string, value: T | null): T {
    if (value === null) throw new RangeError(`column ${name} of the catalog holds no value of its type`);
    return value;
  }
}
