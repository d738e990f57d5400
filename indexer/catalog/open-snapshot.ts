import { randomUUID } from "node:crypto";
import { access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { InputError } from "../../crawler/errors.ts";
import { readRows } from "./read-rows.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { snapshotPath } from "./snapshot-path.ts";

/**
 * What is open in a snapshot cannot write, attach, read other files or reach the network, whatever statement it runs,
 * and no statement can change that.
 */
const READ_ONLY = {
  access_mode: "READ_ONLY",
  enable_external_access: "false",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  lock_configuration: "true",
};

/**
 * Opens the published catalog. The instance is of its own, outside DuckDB's cache by path, so it keeps the snapshot that
 * it opened while newer ones take its place.
 * @throws InputError when there is none, or a newer version of the program made it
 */
export async function openSnapshot(home: string): Promise<DuckDBInstance> {
  const path = resolve(snapshotPath(home));
  if (!(await exists(path)))
    throw new InputError(`nothing is indexed in ${home} yet: run \`alsatian crawl --family NAME\``);
  // A spill folder of its own: DuckDB's default lies beside the file, where two readers would meet in it. It comes
  // first, as external access cannot be taken away before it is set.
  const instance = await DuckDBInstance.create(path, {
    temp_directory: join(tmpdir(), `alsatian-${randomUUID()}`),
    ...READ_ONLY,
  }).catch((cause: unknown) => {
    throw new InputError(`${path} cannot be opened for reading: ${whyNot(cause)}`, { cause });
  });
  try {
    await checkVersion(instance, path);
    return instance;
  } catch (cause) {
    instance.closeSync();
    throw cause;
  }
}

async function checkVersion(instance: DuckDBInstance, path: string): Promise<void> {
  const connection = await instance.connect();
  try {
    const [row] = await readRows(connection, "SELECT max(version) AS version FROM schema_version");
    const version = row?.maybeNumber("version") ?? 0;
    if (version > SCHEMA_VERSION)
      throw new InputError(
        `${path} has schema ${version}, made by a newer version of this program, which knows schema ${SCHEMA_VERSION}; update it`,
      );
  } finally {
    connection.closeSync();
  }
}

function whyNot(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!/set lock on file/i.test(message)) return `${message}; a crawl writes it anew`;
  return "another program has it open for writing; open it read-only there (`duckdb -readonly`)";
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
