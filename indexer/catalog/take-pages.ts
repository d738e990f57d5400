import type { DuckDBConnection } from "@duckdb/node-api";
import { dropFrontier, putFrontier } from "./frontier.ts";
import { putListings } from "./listings.ts";
import type { ListedPage } from "./records.ts";
import { touchModels } from "./touch-models.ts";

/** Keeps what pages of listings told, each of another one. Run it in a transaction. */
export async function takePages(
  connection: DuckDBConnection,
  pages: readonly ListedPage[],
  crawledAt: string,
): Promise<void> {
  if (pages.length === 0) return;
  await touchModels(
    connection,
    pages.flatMap(({ touched }) => touched),
    crawledAt,
  );
  await dropFrontier(
    connection,
    pages.flatMap(({ scope, touched }) => touched.map(({ modelId }) => ({ scope, modelId }))),
  );
  for (const { scope, changed } of pages) await putFrontier(connection, scope, changed);
  await putListings(connection, pages);
}
