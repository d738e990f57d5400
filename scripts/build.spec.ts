import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packageFile } from "../crawler/package-file.ts";

/** What starts a process or a thread, or is loaded before one: `new URL("./name.js", import.meta.url)`, or by a helper. */
const STARTED = /\b(?:new URL|script)\(\s*"\.\/([\w-]+)\.js"/g;

it("puts whatever a process or a thread starts with beside the commands", () => {
  const sources = ["crawler", "indexer", "search", "scripts"].flatMap((folder) =>
    readdirSync(packageFile(folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !/\.(spec|case)\.ts$/.test(path))
      .map((path) => join(folder, path)),
  );
  const started = new Set(
    sources.flatMap((path) =>
      Array.from(readFileSync(packageFile(path), "utf8").matchAll(STARTED), ([, name = ""]) => name),
    ),
  );
  expect(started.size).toBeGreaterThan(7);
  const isThere = (name: string): boolean =>
    ["js", "cjs"].some((extension) => existsSync(packageFile("dist", "bin", `${name}.${extension}`)));
  expect([...started].filter((name) => !isThere(name))).toEqual([]);
});
