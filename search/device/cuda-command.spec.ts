import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { packageFile } from "../../crawler/package-file.ts";
import { CUDA_COMMAND } from "./cuda-command.ts";

describe("the command for CUDA", () => {
  it.each(["README.md", "docs/devices.md"])("stands in %s as the program gives it", async (page) => {
    expect(await readFile(packageFile(page), "utf8")).toContain(`\n${CUDA_COMMAND}\n`);
  });

  it("names an installation that onnxruntime's own script has", async () => {
    const script = packageFile("node_modules", "onnxruntime-node", "script", "install-metadata.js");
    const [, installation] = /ONNXRUNTIME_NODE_INSTALL=(\w+) /.exec(CUDA_COMMAND) ?? [];
    expect(await readFile(script, "utf8")).toContain(`'linux/x64': ['${installation}']`);
  });
});
