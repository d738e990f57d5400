import type { DuckDBConnection } from "@duckdb/node-api";
import type { WorkFile } from "./open-work-file.ts";

type Act<T> = (connection: DuckDBConnection) => Promise<T>;

/** After so many changes DuckDB's memory is given back: each leaves some 6 KB in it. */
export const CHANGES_A_CLEANING = 256;

/** Runs what is asked of a work file one after the other, changes each in a transaction of its own. */
export class WritingQueue {
  readonly #file: WorkFile;
  /** All changes are visible here, and undone at the end. */
  readonly forgets: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  #changes = 0;

  /** @param forgets the file is in a transaction, which is never committed */
  constructor(file: WorkFile, forgets: boolean) {
    this.#file = file;
    this.forgets = forgets;
  }

  /** @throws whatever `act` throws; then nothing of it stays */
  change<T>(act: Act<T>): Promise<T> {
    return this.read(async (connection) => {
      if (this.forgets) return act(connection);
      await connection.run("BEGIN TRANSACTION");
      try {
        const result = await act(connection);
        await connection.run("COMMIT");
        this.#giveBackWhenDue();
        return result;
      } catch (cause) {
        await connection.run("ROLLBACK").catch(() => undefined); // a failed commit has rolled back already
        throw cause;
      }
    });
  }

  /** Behind all calls that wait. Changes do not depend on it: it may fail. */
  #giveBackWhenDue(): void {
    if (++this.#changes % CHANGES_A_CLEANING !== 0) return;
    this.#last = this.#last.then(() => this.#file.giveBackMemory()).catch(() => undefined);
  }

  read<T>(act: Act<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error("the catalog writer is closed"));
    const result = this.#last.then(() => act(this.#file.connection));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Waits for the calls under way, then gives the file free. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    if (this.forgets) await this.#file.connection.run("ROLLBACK").catch(() => undefined); // a failed one is undone
    this.#file.close();
  }
}
