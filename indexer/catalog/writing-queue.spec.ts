import { describe, expect, it } from "vitest";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openWorkFile } from "./open-work-file.ts";
import { CHANGES_A_CLEANING, WritingQueue } from "./writing-queue.ts";

/** A queue whose file counts how often its memory is given back, which fails. */
async function makeQueue(forgets: boolean) {
  const file = await openWorkFile(await makeHome());
  const seen = { cleanings: 0 };
  const giveBackMemory = () => {
    seen.cleanings++;
    return Promise.reject(new Error("no room"));
  };
  if (forgets) await file.connection.run("BEGIN TRANSACTION");
  return { queue: new WritingQueue({ ...file, giveBackMemory }, forgets), seen };
}

async function change(queue: WritingQueue, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await queue.change(() => Promise.resolve());
}

describe("WritingQueue", () => {
  it("gives memory back after every so many changes, and goes on when that fails", async () => {
    const { queue, seen } = await makeQueue(false);
    await change(queue, CHANGES_A_CLEANING - 1);
    await queue.read(() => Promise.resolve());
    expect(seen.cleanings).toBe(0);
    await change(queue, CHANGES_A_CLEANING + 1);
    expect(await queue.read(() => Promise.resolve("read"))).toBe("read");
    await queue.close();
    expect(seen.cleanings).toBe(2);
  });

  it("does not where all changes are in a transaction that is never committed", async () => {
    const { queue, seen } = await makeQueue(true);
    await change(queue, CHANGES_A_CLEANING);
    await queue.close();
    expect(seen.cleanings).toBe(0);
  });
});
