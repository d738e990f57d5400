// Puts what runs into few files, `dist/bin`: a command that reads some large modules starts in three quarters of the time of
// one that reads 400 small ones, and so do the threads of a search. Whatever starts a process or a thread names the module
// beside its own, so all entries lie side by side. What a search starts is CommonJS, which Node loads in two thirds of the
// time; commands cannot be, for some packages are not. With `--modules`, what tests run is there too: every module by itself,
// compiled by `tsc`, which checks the types and takes ten times as long. Nothing is done where no source has changed since:
// looking takes the compiler three seconds.
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
  "scripts/bench/report-usage",
  "scripts/bench/synthetic-hub",
  "search/device/probe-process",
  "crawler/text/tokenizer-process",
];
const COMMON_ENTRIES = ["search/run/search-process", "search/run/lane-thread", "search/data/preprocess-worker"];

/** Packages that are put in, too: of many small files, read by most commands and threads, and of nothing but JavaScript. */
const TAKEN_IN = /^(protobufjs|long|zod|@duckdb\/node-api)(\/|$)/;

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
const dist = join(root, "dist");
const bin = join(dist, "bin");
const builtFrom = (folder) => join(folder, "built-from");
const isBuilt = (folder) => existsSync(builtFrom(folder)) && readFileSync(builtFrom(folder), "utf8") === key;

if (process.argv.includes("--modules") && !isBuilt(dist)) {
  await rm(builtFrom(dist), { force: true });
  const compiler = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
  const { status } = spawnSync(process.execPath, [compiler], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(1);
  writeFileSync(builtFrom(dist), key);
}
if (!isBuilt(bin)) await bundle();

async function bundle() {
  const half = `${bin}-${process.pid}`;
  try {
    await write(ENTRIES, { dir: half, format: "es", extension: "js" });
    await write(COMMON_ENTRIES, { dir: half, format: "cjs", extension: "cjs" });
    writeFileSync(builtFrom(half), key);
    await rm(bin, { recursive: true, force: true });
    await rename(half, bin);
  } finally {
    await rm(half, { recursive: true, force: true });
  }
}

async function write(entries, { dir, format, extension }) {
  const { rolldown } = await import("rolldown");
  const modules = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [basename(entry), join(root, `${entry}.ts`)])),
    external: (id) => !id.startsWith(".") && !isAbsolute(id) && !TAKEN_IN.test(id),
    platform: "node",
    plugins: [{ name: "common-entries", renderChunk: nameCommonEntries }],
  });
  await modules.write({
    ...{ dir, format },
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `chunk-[hash].${extension}`,
  });
  await modules.close();
}

/** Whoever starts one of them by its name finds it under that which it has here. */
function nameCommonEntries(code) {
  return COMMON_ENTRIES.reduce((changed, entry) => {
    return changed.replaceAll(`"./${basename(entry)}.js"`, `"./${basename(entry)}.cjs"`);
  }, code);
}
