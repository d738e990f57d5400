import {
  DuckDBTypeId,
  StatementType,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBResult,
  type DuckDBType,
} from "@duckdb/node-api";
import { InputError } from "../../crawler/errors.ts";
import type { CatalogReader } from "./catalog-reader.ts";
import { checkNoLogging } from "./check-no-logging.ts";
import { toPlainValue, type PlainValue } from "./plain-value.ts";

export interface SqlColumn {
  readonly name: string;
  readonly type: DuckDBType;
  readonly numeric: boolean;
}

/** The answer of a query. Its rows can be read once, as values or as DuckDB's chunks; reading or `close` ends it. */
export interface SqlResult {
  readonly columns: readonly SqlColumn[];
  chunks(): AsyncGenerator<DuckDBDataChunk>;
  rows(): AsyncGenerator<PlainValue[]>;
  close(): void;
}

/**
 * Statements that cannot do more than read, or change what lives in the connection alone (a temporary table). DuckDB
 * refuses the rest too, as the snapshot is open read-only and without access to anything else; the list keeps it so for
 * statements that a later DuckDB may add.
 */
const ALLOWED: ReadonlySet<StatementType> = new Set([
  StatementType.SELECT,
  StatementType.EXPLAIN,
  StatementType.CREATE,
  StatementType.INSERT,
  StatementType.UPDATE,
  StatementType.DELETE,
  StatementType.DROP,
  StatementType.SET,
  StatementType.VARIABLE_SET,
]);

/**
 * Runs a user's SQL on the catalog: one statement or several, the last of which answers. It can neither write, nor
 * attach, nor read other files, nor reach the network.
 * @throws InputError with DuckDB's words, here or while the rows are read
 */
export async function runSql(reader: CatalogReader, sql: string, signal?: AbortSignal): Promise<SqlResult> {
  signal?.throwIfAborted();
  checkNoLogging(sql);
  const connection = await reader.connect();
  const interrupt = () => connection.interrupt();
  signal?.addEventListener("abort", interrupt);
  const close = () => {
    signal?.removeEventListener("abort", interrupt);
    connection.closeSync();
  };
  try {
    const result = await runStatements(connection, sql);
    return new Answer(result, close, signal);
  } catch (cause) {
    close();
    signal?.throwIfAborted();
    throw asInputError(cause);
  }
}

async function runStatements(connection: DuckDBConnection, sql: string): Promise<DuckDBResult> {
  const statements = await connection.extractStatements(sql);
  if (statements.count === 0) throw new InputError("no SQL statement given");
  for (let index = 0; ; index++) {
    const statement = await statements.prepare(index); // one at a time: it may need what the one before made
    if (!ALLOWED.has(statement.statementType))
      throw new InputError(
        `the catalog can only be read: a ${StatementType[statement.statementType]} statement is not allowed`,
      );
    if (index === statements.count - 1) return await statement.stream();
    await statement.run();
  }
}

function asInputError(cause: unknown): Error {
  if (cause instanceof InputError) return cause;
  return new InputError(cause instanceof Error ? cause.message : String(cause), { cause });
}

class Answer implements SqlResult {
  readonly columns: readonly SqlColumn[];
  readonly #result: DuckDBResult;
  readonly #signal: AbortSignal | undefined;
  readonly #close: () => void;
  #open = true;

  constructor(result: DuckDBResult, close: () => void, signal: AbortSignal | undefined) {
    this.#result = result;
    this.#close = close;
    this.#signal = signal;
    this.columns = result.deduplicatedColumnNames().map((name, index) => {
      const type = result.columnType(index);
      return { name, type, numeric: NUMERIC.has(type.typeId) };
    });
  }

  async *chunks(): AsyncGenerator<DuckDBDataChunk> {
    try {
      for (;;) {
        this.#signal?.throwIfAborted();
        const chunk = await this.#result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) return;
        yield chunk;
      }
    } catch (cause) {
      this.#signal?.throwIfAborted();
      throw asInputError(cause);
    } finally {
      this.close();
    }
  }

  async *rows(): AsyncGenerator<PlainValue[]> {
    for await (const chunk of this.chunks()) yield* chunk.convertRows(toPlainValue);
  }

  close(): void {
    if (this.#open) this.#close();
    this.#open = false;
  }
}

const NUMERIC: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.FLOAT,
  DuckDBTypeId.DOUBLE,
  DuckDBTypeId.DECIMAL,
]);
