import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { packageFile } from "../../crawler/package-file.ts";
import { openCatalogWriter } from "../../indexer/catalog/catalog-writer.ts";
import { runCommand, runJson } from "./run-command.ts";

/** The commands of docs/nightly.md, in the order in which they stand there. */
let commands: string[][];
let home: string;
let metrics: string;
let page: string;

/** Words of a shell line, where quotes hold some together. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "alsatian-nightly-"));
  metrics = join(home, "crawl.prom");
  page = await readFile(packageFile("docs", "nightly.md"), "utf8");
  const lines = page.match(/\balsatian (crawl|index|sql) [^\n`&]*/g) ?? [];
  commands = lines.map((line) =>
    wordsOf(line)
      .slice(1)
      .map((word) => (word.startsWith("/var/lib/") ? metrics : word)),
  );
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe("the page on nightly crawls", () => {
  it("shows commands that run", async () => {
    expect(commands.length).toBeGreaterThanOrEqual(8);
    // cron and systemd call the same ones, at most quietly
    const different = new Set(commands.map((command) => JSON.stringify(command.filter((word) => word !== "--quiet"))));
    for (const text of different) {
      const command = z.array(z.string()).parse(JSON.parse(text));
      const hub = command[0] === "crawl" ? ["--hub", "sample"] : [];
      const { code, stderr } = await runCommand([...command, ...hub, "--home", home]);
      expect(code, `${command.join(" ")}\n${stderr}`).toBe(0);
    }
  });

  it("shows a workflow that is one, with a command that runs", async () => {
    const [, workflow = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
    const { jobs } = z
      .object({ jobs: z.object({ crawl: z.object({ steps: z.array(z.object({ run: z.string().optional() })) }) }) })
      .parse(parse(workflow));
    const line = jobs.crawl.steps.map(({ run }) => run ?? "").find((run) => run.startsWith("npm run crawl"));
    const args = wordsOf(line ?? "").slice(4);
    const at = args.indexOf("--metrics") + 1;
    args[at] = metrics;
    const { code, stderr } = await runCommand(["crawl", ...args, "--hub", "sample", "--home", home]);
    expect(code, stderr).toBe(0);
  });

  it("names metrics that are written", async () => {
    const text = await readFile(metrics, "utf8");
    for (const [name] of page.matchAll(/alsatian_crawl_\w+/g)) expect(text).toContain(`\n${name} `);
    expect(text).toContain("\nalsatian_crawl_success 1\n");
    expect(text).toContain('\nalsatian_crawl_models{outcome="unchanged"} 16\n');
    for (const line of text.trim().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|\w+(\{\w+="\w+"\})? [\d.e+]+)$/);
  });

  it("names the folder of dated catalogs", async () => {
    const names = await readdir(join(home, "catalog", "snapshots"));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(name).toMatch(/^\d{4}-\d{2}-\d{2}\.duckdb$/);
  });
});

describe("the log of crawls", () => {
  const log = () =>
    runJson(["sql", "SELECT outcome, reason FROM crawls ORDER BY started_at DESC LIMIT 2", "--home", home]);

  it("has a line for a crawl that failed, and the metrics say so", async () => {
    const { code } = await runCommand([
      ...["crawl", "--family", "no/such-base", "--hub", "sample", "--home", home, "--metrics", metrics],
    ]);
    expect(code).toBe(2);
    expect(await log()).toMatchObject([
      { outcome: "failed", reason: expect.stringContaining("no/such-base") as string },
      {},
    ]);
    const text = await readFile(metrics, "utf8");
    expect(text).toContain("\nalsatian_crawl_success 0\n");
    expect(text).not.toContain("\nalsatian_crawl_last_success_timestamp_seconds 0\n");
  });

  it("has a line for a crawl that was killed", async () => {
    const other = await mkdtemp(join(tmpdir(), "alsatian-killed-"));
    try {
      const crawl = ["crawl", "--family", "detr-resnet-50", "--hub", "sample", "--home", other];
      await runCommand(crawl, { onOutput: (said, kill) => said.includes("crawling") && kill("SIGKILL") });
      expect((await runCommand(crawl)).code).toBe(0);
      const rows = await runJson(["sql", "SELECT outcome FROM crawls ORDER BY started_at", "--home", other]);
      expect(rows).toEqual([{ outcome: "killed" }, { outcome: "done" }]);
    } finally {
      await rm(other, { recursive: true, force: true });
    }
  });

  it("has none for a second crawl at once, which says so and ends", async () => {
    const before = await log();
    const writer = await openCatalogWriter(home);
    try {
      const second = await runCommand(["crawl", "--family", "detr-resnet-50", "--hub", "sample", "--home", home]);
      expect(second.code).toBe(2);
      expect(second.stderr).toContain("another crawl");
    } finally {
      await writer.close();
    }
    expect(await log()).toEqual(before);
  });
});
