import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readExactly } from "../../indexer/store/read-bytes.ts";
import { writeFully } from "../../indexer/store/write-fully.ts";

/** What to do about a file of the caches that is too short. */
export const RUN_AGAIN = "delete it and run again";

/** A file of a result that memory has no room for. All of it blocks the thread. */
export class SpillFile {
  readonly #path: string;
  readonly #file: number;

  /** @param folder where files that only this process needs may lie; it is made */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, `${randomUUID()}.f32`);
    this.#file = openSync(this.#path, "wx+");
  }

  write(bytes: Uint8Array, position: number): void {
    writeFully(this.#file, bytes, position);
  }

  /** Fills bytes. */
  read(bytes: Uint8Array, position: number): void {
    readExactly(this.#file, this.#path, bytes, position, RUN_AGAIN);
  }

  remove(): void {
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }
}
