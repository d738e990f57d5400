import { describe, expect, it } from "vitest";
import { runCommand } from "../test/end-to-end/run-command.ts";

describe.skipIf(process.platform !== "linux")("the memory of DuckDB", () => {
  it("is governed by the variable that the command sets: its allocator reads it, and a user's own comes first", async () => {
    const { stderr } = await runCommand(["--version"], { env: { DUCKDB_JE_MALLOC_CONF: "no_such_setting:1" } });
    expect(stderr).toMatch(/jemalloc.*no_such_setting/);
    expect((await runCommand(["--version"])).stderr).toBe("");
  });
});
