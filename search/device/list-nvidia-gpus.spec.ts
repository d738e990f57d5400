import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listNvidiaGpus } from "./list-nvidia-gpus.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "alsatian-smi-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fakeCommand(name: string, body: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!${process.execPath}\n${body}`);
  await chmod(path, 0o755);
  return path;
}

describe.skipIf(process.platform === "win32")("listNvidiaGpus", () => {
  it("asks for what it parses", async () => {
    const command = await fakeCommand(
      "good.cjs",
      `if (process.argv[2].startsWith("--query-gpu=name,memory.total,") && process.argv[3] === "--format=csv,noheader,nounits")
         console.log("NVIDIA L4, 23034, 22000, 550.54.15");`,
    );
    const gpus = await listNvidiaGpus({ command });
    expect(gpus.map(({ name }) => name)).toEqual(["NVIDIA L4"]);
  });

  it("finds none where there is no such command", async () => {
    expect(await listNvidiaGpus({ command: join(folder, "not-there") })).toEqual([]);
  });

  it("finds none where the command fails, whatever it printed", async () => {
    const command = await fakeCommand("bad.cjs", 'console.log("NVIDIA L4, 1, 1, 550"); process.exitCode = 9;');
    expect(await listNvidiaGpus({ command })).toEqual([]);
  });

  it("stops when it is told to", async () => {
    const command = await fakeCommand("hangs.cjs", "setInterval(() => undefined, 1000);");
    const stop = new AbortController();
    const listing = listNvidiaGpus({ command, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(listing).rejects.toThrow("enough");
  });
});
