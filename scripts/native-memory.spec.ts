import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { packageFile } from "../crawler/package-file.ts";

it("comes before anything else is loaded, in the file that is run", () => {
  const command = readFileSync(packageFile("dist", "bin", "alsatian.js"), "utf8");
  const [setting, first] = [command.indexOf("DUCKDB_JE_MALLOC_CONF"), command.indexOf("import")];
  expect(setting).toBeGreaterThan(0);
  expect(first).toBeGreaterThan(setting);
  expect(command).not.toMatch(/^import[ {*"']/m); // those come first, wherever they stand
});
