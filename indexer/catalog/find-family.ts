import type { DuckDBConnection } from "@duckdb/node-api";
import { InputError } from "../../crawler/errors.ts";
import { readRows } from "./read-rows.ts";

/**
 * Full id of the base of a family.
 * @param name that id, or its name without the org
 * @throws InputError when several families of the catalog have that name
 */
export async function findFamily(connection: DuckDBConnection, name: string): Promise<string | undefined> {
  const rows = await readRows(
    connection,
    `SELECT DISTINCT family FROM models
     WHERE family = $name OR regexp_replace(family, '^.*/', '') = $name
     ORDER BY family = $name DESC, family`,
    { name },
  );
  const found = rows.map((row) => row.text("family"));
  if (found.length > 1 && found[0] !== name)
    throw new InputError(`several families are named ${JSON.stringify(name)}: ${found.join(", ")}; give the full id`);
  return found[0];
}
