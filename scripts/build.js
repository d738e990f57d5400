// Compiles, and puts what runs into few files, `dist/bin`: a command that reads some large modules starts in three quarters
// of the time of one that reads 400 small ones, and so do the threads of a search. Whatever starts a process or a thread names
// the module beside its own, so all entries lie side by side. Nothing is done where no source has changed since: looking
// takes the compiler three seconds.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

const ENTRIES = [
  "scripts/alsatian",
  "scripts/bench/bench",
  "scripts/bench/index-process",
  "scripts/bench/synthetic-hub",
  "search/run/search-process",
  "search/run/lane-thread",
  "search/data/preprocess-worker",
  "search/device/probe-process",
  "crawler/text/tokenizer-process",
];

/** Packages that are put in, too: of many small files, read by most commands and threads, and of nothing but JavaScript. */
const TAKEN_IN = /^(protobufjs|zod)(\/|$)/;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = ["crawler", "indexer", "search", "scripts", "test"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(ts|js)$/.test(path))
    .map((path) => join(folder, path)),
);
const hash = createHash("sha256");
for (const path of [...sources.sort(), "tsconfig.json", "package-lock.json"]) {
  const { size, mtimeMs } = statSync(join(root, path));
  hash.update(`${path} ${size} ${mtimeMs}\n`);
}
const key = hash.digest("hex");
const bin = join(root, "dist", "bin");
const built = join(bin, "built-from");
if (!existsSync(built) || readFileSync(built, "utf8") !== key) {
  await rm(built, { force: true });
  const compiler = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
  const { status } = spawnSync(process.execPath, [compiler], { cwd: root, stdio: "inherit" });
  if (status === 0) await bundle();
  else process.exitCode = 1;
}

async function bundle() {
  const { rolldown } = await import("rolldown");
  const half = `${bin}-${process.pid}`;
  try {
    const modules = await rolldown({
      input: Object.fromEntries(ENTRIES.map((entry) => [basename(entry), join(root, "dist", `${entry}.js`)])),
      external: (id) => !id.startsWith(".") && !isAbsolute(id) && !TAKEN_IN.test(id),
      platform: "node",
    });
    await modules.write({ dir: half, entryFileNames: "[name].js", chunkFileNames: "chunk-[hash].js" });
    await modules.close();
    writeFileSync(join(half, "built-from"), key);
    await rm(bin, { recursive: true, force: true });
    await rename(half, bin);
  } finally {
    await rm(half, { recursive: true, force: true });
  }
}
