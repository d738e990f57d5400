import { describe, expect, it } from "vitest";
import type { RepositoryFile } from "../../crawler/repository.ts";
import { FilesBeingRead } from "./files-being-read.ts";

const file = (sha256: string | null, xetHash: string | null = null): RepositoryFile => ({
  ...{ path: "model.safetensors", size: 1, sha256, etag: null, xetHash },
});
const { signal } = new AbortController();

/** What has happened by now, in order. */
function watch() {
  const events: string[] = [];
  const follow = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const result = await work;
    events.push(name);
    return result;
  };
  return { events, follow };
}

describe("FilesBeingRead", () => {
  it("lets a second reader of a file wait, and go on when the file is in the catalog", async () => {
    const files = new FilesBeingRead();
    const { events, follow } = watch();
    const release = await files.claim([file("a")], signal);
    const waiting = [1, 2].map((n) => follow(`reader ${n}`, files.claim([file("a")], signal)));
    await follow("another file", files.claim([file("b"), file(null)], signal));
    expect(events).toEqual(["another file"]);
    release(true);
    await Promise.all(waiting); // both: neither has to read it
    expect(events).toHaveLength(3);
  });

  it("lets one of those who wait read it when the first has failed", async () => {
    const files = new FilesBeingRead();
    const { events, follow } = watch();
    const release = await files.claim([file(null, "x")], signal);
    const [second, third] = [1, 2].map((n) => follow(`reader ${n}`, files.claim([file(null, "x")], signal)));
    release(false);
    const releaseSecond = await second;
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual(["reader 1"]);
    releaseSecond?.(true);
    await third;
  });

  it("holds nothing while it waits, so that crossed files are no deadlock", async () => {
    const files = new FilesBeingRead();
    const release = await files.claim([file("a")], signal);
    const crossed = files.claim([file("b"), file("a")], signal);
    const releaseOther = await files.claim([file("b")], signal);
    const back = files.claim([file("a"), file("b")], signal);
    release(true);
    releaseOther(false);
    const releases = await Promise.race([crossed, back]);
    releases(true);
    await Promise.all([crossed, back]);
  });

  it("ends its waiting when the crawl is stopped", async () => {
    const files = new FilesBeingRead();
    const release = await files.claim([file("a")], signal);
    const abort = new AbortController();
    const waiting = files.claim([file("a")], abort.signal);
    abort.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
    release(false);
    await files.claim([file("a")], signal);
  });
});
