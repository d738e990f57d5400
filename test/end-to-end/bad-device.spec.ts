import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packageFile } from "../../crawler/package-file.ts";
import { lockAddress, withDeviceLock } from "../../search/device/device-lock.ts";
import { runCommand, type RunCommandOptions } from "./run-command.ts";

// Cards that this machine need not have: `fake-card.ts` plays one, a script stands for nvidia-smi.
const isLinux = process.platform === "linux" && process.arch === "x64";
if (!isLinux) console.warn("skipped: the package has CUDA for Linux x64 alone");

const TOO_OLD =
  "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=here ; expr=cudaSetDevice(0);";

describe.skipIf(!isLinux)("a card that does not do", () => {
  let home: string;
  let tools: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "alsatian-bad-device-"));
    tools = await mkdtemp(join(tmpdir(), "alsatian-tools-"));
    const crawled = await runCommand(["crawl", "--family", "detr-resnet-50", "--hub", "sample", "--home", home]);
    expect(crawled.code).toBe(0);
  });
  afterAll(async () => {
    await rm(home, { recursive: true, force: true });
    await rm(tools, { recursive: true, force: true });
  });

  /** A card of 23034 MiB, 20000 of them free. */
  async function onCard(card: string, driver: string, args: readonly string[], options: RunCommandOptions = {}) {
    const script = join(tools, "nvidia-smi");
    await writeFile(script, `#!/bin/sh\necho "NVIDIA L4, 23034, 20000, ${driver}"\n`);
    await chmod(script, 0o755);
    return runCommand([...args, "--home", home], {
      ...options,
      env: {
        ...options.env,
        FAKE_CARD: card,
        PATH: `${tools}${delimiter}${process.env["PATH"] ?? ""}`,
        NODE_OPTIONS: `--import=${pathToFileURL(packageFile("dist", "test", "device", "fake-card.js")).href}`,
      },
    });
  }
  const SEARCH = ["search", "--family", "detr-resnet-50", "--device", "cuda"];

  it("ends with 2 where the driver is too old: what was found, what would help, what works", async () => {
    const { code, stdout, stderr } = await onCard(TOO_OLD, "470.57.02", SEARCH);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("--device cuda (NVIDIA L4, driver 470.57.02): NVIDIA's driver is too old for CUDA 12");
    expect(stderr).toMatch(/what would help: install a newer driver: 525 or later/);
    expect(stderr).toMatch(/what works here: cpu/);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  it("says the same in doctor, and goes on", async () => {
    const { code, stdout } = await onCard(TOO_OLD, "470.57.02", ["doctor", "--hub", "sample"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/device cuda +NVIDIA's driver is too old for CUDA 12; NVIDIA L4; driver 470\.57\.02/);
    expect(stdout).toMatch(/device cuda: install a newer driver: 525 or later/);
    expect(stdout).toMatch(/--device auto +takes cpu/);
  });

  it("ends with 2 where the budget is more than the device has: how much that is, and how much is free", async () => {
    const { code, stdout, stderr } = await onCard("works", "550.54.15", [...SEARCH, "--device-budget", "1TB"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(
      /--device-budget 1TB: cuda \(NVIDIA L4, driver 550\.54\.15\) has 24\.2 GB of memory, 21\.0 GB of it free/,
    );
  });

  it("ends with 2 where the budget is too small for a single item, naming the smallest that works", async () => {
    const { code, stdout, stderr } = await onCard("works", "550.54.15", [...SEARCH, "--device-budget", "1kB"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/smallest that works is .*\(--device-budget \d+\)/);
  });

  it("waits for another search on the same card, says so, and ends with 130 when interrupted", async () => {
    const env = { CUDA_VISIBLE_DEVICES: `GPU-${randomUUID()}` };
    const onOutput: RunCommandOptions["onOutput"] = (output, kill) => {
      if (output.includes("; waiting")) kill("SIGINT");
    };
    const search = () => onCard("works", "550.54.15", SEARCH, { env, onOutput });
    const { code, stderr } = await withDeviceLock("cuda", search, { address: lockAddress("cuda", { env }) });
    expect(stderr).toContain(`is in use by another search (process ${process.pid}); waiting`);
    expect(code).toBe(130);
  });
});
