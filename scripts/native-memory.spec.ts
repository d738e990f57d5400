import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { packageFile } from "../crawler/package-file.ts";
import { runCommand } from "../test/end-to-end/run-command.ts";

describe.skipIf(process.platform !== "linux")("the memory of DuckDB", () => {
  it("is governed by the variable that the command sets: its allocator reads it, and a user's own comes first", async () => {
    const { stderr } = await runCommand(["--version"], { env: { DUCKDB_JE_MALLOC_CONF: "no_such_setting:1" } });
    expect(stderr).toMatch(/jemalloc.*no_such_setting/);
    expect((await runCommand(["--version"])).stderr).toBe("");
  });
});

describe("the setting of memory", () => {
  it("comes before anything else is loaded, in the file that is run", () => {
    const command = readFileSync(packageFile("dist", "bin", "alsatian.js"), "utf8");
    const [setting, first] = [command.indexOf("DUCKDB_JE_MALLOC_CONF"), command.indexOf("import")];
    expect(setting).toBeGreaterThan(0);
    expect(first).toBeGreaterThan(setting);
    expect(command).not.toMatch(/^import[ {*"']/m); // those come first, wherever they stand
  });
});
