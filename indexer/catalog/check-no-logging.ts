import { InputError } from "../../crawler/errors.ts";

const LOGGING = /\benable_logging\b/i;

/**
 * Refuses a user's SQL that starts DuckDB's query log, in whatever clause. Where DuckDB 1.5 cannot write that log, as
 * here, it fails every later statement and then aborts the process.
 */
export function checkNoLogging(sql: string): void {
  if (LOGGING.test(sql)) throw new InputError("the catalog cannot keep a query log: enable_logging is not allowed");
}
