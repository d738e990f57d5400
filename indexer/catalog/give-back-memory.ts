import type { DuckDBConnection } from "@duckdb/node-api";

/** Less than DuckDB can make do with. */
const NOTHING = "1KB";

/**
 * Makes DuckDB forget the blocks that it keeps in memory, and what it remembers of those that are no more. That is
 * some 200 bytes of each block that any statement took, outside its limit; by itself it forgets them only where there
 * are tens of thousands. Rows that are not written yet are written first: they would go to a temporary file. Outside of
 * transactions.
 * @param limit of its memory, which stays as it was
 */
export async function giveBackMemory(connection: DuckDBConnection, limit: string): Promise<void> {
  await connection.run("CHECKPOINT");
  // asked to make do with less, DuckDB looks through all that it has; it fails, as it cannot, and goes on with less
  await connection.run(`SET memory_limit = '${NOTHING}'`).catch(() => undefined);
  await connection.run(`SET memory_limit = '${limit}'`);
}
