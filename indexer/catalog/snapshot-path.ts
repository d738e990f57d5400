import { join } from "node:path";

export const SNAPSHOT_NAME = "catalog.duckdb";

/** The published catalog, which analysts and readers open. */
export const snapshotPath = (home: string): string => join(home, SNAPSHOT_NAME);
