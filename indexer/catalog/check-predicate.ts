import { DuckDBTypeId, type DuckDBConnection } from "@duckdb/node-api";
import { InputError } from "../../crawler/errors.ts";
import { checkNoLogging } from "./check-no-logging.ts";

/**
 * Checks that a text is one condition on the columns of `models`, so that it can stand in brackets behind WHERE. DuckDB
 * itself parses it, with brackets and without: a text that closes the bracket early passes one of them at most.
 * @throws InputError with DuckDB's words
 */
export async function checkPredicate(connection: DuckDBConnection, predicate: string): Promise<void> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new InputError(`--where ${JSON.stringify(predicate)} is not a condition on models: ${why}`, { cause });
  };
  checkNoLogging(predicate);
  for (const expression of [predicate, `(${predicate}\n)`]) {
    const types = await columnTypes(connection, expression).catch((cause: unknown) =>
      refuse(cause instanceof Error ? cause.message : String(cause), cause),
    );
    const [type] = types;
    if (types.length !== 1 || type === undefined) refuse(`expected one expression, got ${types.length}`);
    else if (type.id !== DuckDBTypeId.BOOLEAN) refuse(`expected true or false, got ${type.name}`);
  }
}

async function columnTypes(connection: DuckDBConnection, expression: string) {
  const statements = await connection.extractStatements(`SELECT ${expression}\nFROM models`);
  if (statements.count !== 1) throw new InputError(`expected one expression, got ${statements.count} statements`);
  const statement = await statements.prepare(0);
  try {
    if (statement.parameterCount > 0) throw new InputError("expected values, got a place for one");
    return Array.from({ length: statement.columnCount }, (_, column) => {
      const type = statement.columnType(column);
      return { id: type.typeId, name: type.toString() };
    });
  } finally {
    statement.destroySync();
  }
}
