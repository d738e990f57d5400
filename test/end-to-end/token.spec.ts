import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startLocalHub, type Fault, type FaultRule, type LocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { runCommand } from "./run-command.ts";

/** The token goes to the hub's own origin, and is in nothing that the command writes, whatever goes wrong. */

const TOKEN = "hf_thisIsTheSecretThatNobodyMaySee";

let sandbox: string;
let hub: LocalHub;
let other: Server;
let otherUrl: string;
const seen: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
beforeEach(async () => {
  seen.length = 0;
  sandbox = await mkdtemp(join(tmpdir(), "alsatian-token-"));
  const fixtures = packageFile("test", "golden", "fixtures", "hub", "acme-odd");
  const model = join("acme", "yolos-odd-sizes");
  await cp(join(fixtures, "yolos-odd-sizes"), join(sandbox, "hub", model), { recursive: true });
  other = createServer((request, response) => {
    seen.push({ url: request.url ?? "", headers: request.headers });
    response.writeHead(404, { "x-error-message": "nothing here" }).end();
  });
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  otherUrl = typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
  const tokens = { [TOKEN]: { name: "someone" } };
  hub = await startLocalHub({ root: join(sandbox, "hub"), settings: { tokens } });
});
afterEach(async () => {
  await hub.close();
  other.closeAllConnections();
  other.close();
  await rm(sandbox, { recursive: true, force: true });
});

const KINDS = ["api", "resolver", "resolve-cache", "cdn"] as const;

/** Every kind of fault; answers that repeat the token, as some proxies do, among them. */
const faults = (): readonly Fault[] => [
  { kind: "status", status: 500, body: `upstream said: authorization: Bearer ${TOKEN}` },
  { kind: "status", status: 429, headers: { "Retry-After": "0", RateLimit: '"api";r=0;t=0' }, body: TOKEN },
  { kind: "status", status: 400, headers: { "X-Error-Message": `bad token ${TOKEN}` } },
  { kind: "status", status: 403, body: JSON.stringify({ error: `token ${TOKEN} may not` }) },
  { kind: "status", status: 401, headers: { "X-Error-Code": "RepoNotFound" }, body: JSON.stringify({ error: TOKEN }) },
  { kind: "status", status: 302, headers: { Location: `${otherUrl}/elsewhere?was=1` } },
  { kind: "status", status: 302, headers: { Location: `ftp://127.0.0.1/x` } },
  { kind: "cut", afterBytes: 10 },
  { kind: "delay", delayMs: 5 },
  { kind: "wrong-length" },
  { kind: "corrupt" },
  { kind: "html" },
];

async function crawl(home: string, env: Readonly<Record<string, string>> = {}) {
  const args = [
    "crawl",
    "--model",
    "acme/yolos-odd-sizes",
    "--include-pickle",
    "--tensors",
    "all",
    "--hub",
    hub.url,
    "--home",
    home,
  ];
  return runCommand(args, { env: { HF_TOKEN: TOKEN, ALSATIAN_DEBUG: "1", ...env } });
}

/** Every byte that the command has left anywhere in the sandbox but the hub's folder. */
async function filesWithToken(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (path.includes(TOKEN) || (await readFile(path)).includes(TOKEN)) found.push(path);
  }
  return found;
}

describe("the token", () => {
  it("reaches the hub, and no other origin, in a crawl where nothing goes wrong", async () => {
    const home = join(sandbox, "home");
    const { code, stdout, stderr } = await crawl(home);
    expect(code, stderr).toBe(0);
    const authorized = (kind: string) => new Set(hub.requests.filter((r) => r.kind === kind).map((r) => r.authorized));
    expect(authorized("api")).toEqual(new Set([true]));
    expect(authorized("resolver")).toEqual(new Set([true]));
    expect(authorized("cdn")).toEqual(new Set([false]));
    expect(stdout + stderr).not.toContain(TOKEN);
    expect(await filesWithToken(home)).toEqual([]);
  });

  it("is in no output, catalog or crash, and at no other origin, under faults of every kind", async () => {
    const isAlways = [false, true];
    for (const [index, fault] of faults().entries()) {
      for (const always of isAlways) {
        const home = join(sandbox, `home-${index}-${always ? "always" : "once"}`);
        await mkdir(home);
        const isSlow =
          always && (fault.kind === "cut" || (fault.kind === "status" && [500, 429].includes(fault.status)));
        if (isSlow) continue; // retried for half a minute; met once above
        const rules = KINDS.map((kind): FaultRule => ({ match: { kind }, fault, ...(!always && { times: 1 }) }));
        hub.faults.splice(0, hub.faults.length, ...rules);
        const { code, stdout, stderr } = await crawl(home);
        const what = `${JSON.stringify(fault)} ${always ? "always" : "once"}: ${stdout}${stderr}`;
        expect([0, 1, 2, 3], what).toContain(code);
        expect(stdout + stderr, what).not.toContain(TOKEN);
        expect(await filesWithToken(home), what).toEqual([]);
      }
    }
    expect(seen.length).toBeGreaterThan(0);
    expect(JSON.stringify(seen)).not.toContain(TOKEN);
    expect(seen.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    expect(hub.requests.filter(({ kind, authorized }) => kind === "cdn" && authorized)).toEqual([]);
  });

  it("is not repeated when it cannot be one", async () => {
    const odd = `${TOKEN}\u0001`;
    const { code, stdout, stderr } = await crawl(join(sandbox, "home"), { HF_TOKEN: odd });
    expect(code).toBe(2);
    expect(stderr).toMatch(/holds characters that no token has/);
    expect(stdout + stderr).not.toContain(TOKEN);
  });
});
