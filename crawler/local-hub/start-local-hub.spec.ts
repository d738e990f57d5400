import { mkdir, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import path from "node:path";
import { expect, it } from "vitest";
import { makeHubFolder, modelFiles } from "../../test/hub/make-hub-folder.ts";
import { startLocalHub, type FaultRule } from "./start-local-hub.ts";

const ID = "org/model";
const oneModel = () => makeHubFolder({ [ID]: modelFiles(1, "license: mit") });

async function shaOf(url: string): Promise<string> {
  const info: unknown = await (await fetch(`${url}/api/models/${ID}`)).json();
  const sha = typeof info === "object" && info !== null && "sha" in info ? info.sha : undefined;
  return String(sha);
}

it("has a new commit when a file is replaced, and forgets the old one", async () => {
  await using folder = await oneModel();
  await using hub = await startLocalHub({ root: folder.root });
  const first = await shaOf(hub.url);
  expect(await shaOf(hub.url)).toBe(first);
  await folder.write(ID, { "config.json": "{}" });
  const second = await shaOf(hub.url);
  expect(second).not.toBe(first);
  const old = await fetch(`${hub.url}/${ID}/resolve/${first}/config.json`);
  expect([old.status, old.headers.get("X-Error-Code")]).toEqual([404, "RevisionNotFound"]);
  await folder.write(ID, { "config.json": modelFiles(1, "")["config.json"] ?? "" });
  expect(await shaOf(hub.url)).toBe(first);
});

it("keeps old commits if asked to", async () => {
  await using folder = await oneModel();
  await using hub = await startLocalHub({ root: folder.root, keepHistory: true });
  const first = await shaOf(hub.url);
  await folder.write(ID, modelFiles(2, "license: other"));
  expect(await shaOf(hub.url)).not.toBe(first);
  const config = await fetch(`${hub.url}/${ID}/resolve/${first}/config.json`);
  expect(await config.json()).toMatchObject({ seed: 1 });
  const weights = await fetch(`${hub.url}/${ID}/resolve/${first}/model.safetensors`);
  expect(Buffer.from(await weights.arrayBuffer())).toEqual(modelFiles(1, "")["model.safetensors"]);
});

it("gives equal files an equal commit in every folder", async () => {
  await using one = await oneModel();
  await using two = await oneModel();
  await using hubOne = await startLocalHub({ root: one.root });
  await using hubTwo = await startLocalHub({ root: two.root });
  expect(await shaOf(hubOne.url)).toBe(await shaOf(hubTwo.url));
});

it("limits requests, and says when to come again", async () => {
  await using folder = await oneModel();
  let now = 0;
  const rateLimits = { api: 2, resolver: 1, windowSeconds: 10 };
  await using hub = await startLocalHub({ root: folder.root, rateLimits, now: () => now });
  const ask = (): Promise<Response> => fetch(`${hub.url}/api/models/${ID}`);
  expect([(await ask()).status, (await ask()).status]).toEqual([200, 200]);
  const refused = await ask();
  expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "10"]);
  expect((await fetch(`${hub.url}/${ID}/resolve/main/config.json`)).status).toBe(200);
  expect((await fetch(`${hub.url}/${ID}/resolve/main/config.json`)).status).toBe(429);
  now = 10_000;
  expect((await ask()).status).toBe(200);
});

it("lets a link to a large file expire", async () => {
  await using folder = await oneModel();
  let now = 0;
  await using hub = await startLocalHub({ root: folder.root, linkSeconds: 60, now: () => now });
  const redirect = await fetch(`${hub.url}/${ID}/resolve/main/model.safetensors`, { redirect: "manual" });
  const link = redirect.headers.get("Location") ?? "";
  expect(link.startsWith(hub.cdnUrl)).toBe(true);
  expect((await fetch(link)).status).toBe(200);
  now = 60_000;
  expect((await fetch(link)).status).toBe(403);
  now = 0;
  await folder.write(ID, { "model.safetensors": Buffer.alloc(900) });
  expect((await fetch(link)).status).toBe(404);
});

it("offers Xet only if told to", async () => {
  await using folder = await oneModel();
  await using plain = await startLocalHub({ root: folder.root });
  await using hub = await startLocalHub({ root: folder.root, xet: true });
  const ask = (url: string): Promise<Response> =>
    fetch(`${url}/${ID}/resolve/main/model.safetensors`, {
      redirect: "manual",
      headers: { Accept: "application/vnd.xet-fileinfo+json, */*" },
    });
  expect((await ask(plain.url)).headers.has("X-Xet-Hash")).toBe(false);
  expect((await fetch(`${plain.url}/api/models/${ID}/xet-read-token/main`)).status).toBe(404);
  const { status, headers } = await ask(hub.url);
  const hash = headers.get("X-Xet-Hash") ?? "";
  expect([status, hash]).toEqual([200, expect.stringMatching(/^[0-9a-f]{64}$/)]);
  const link = `<${hub.casUrl}/v1/reconstructions/${hash}>; rel="xet-reconstruction-info"`;
  expect(headers.get("Link")).toContain(link);
  expect(headers.get("Link")).toContain('rel="xet-auth"');
});

it("never serves what lies outside a repository", async () => {
  await using folder = await oneModel();
  await writeFile(path.join(folder.root, "secret.txt"), "secret");
  await symlink(path.join(folder.root, "secret.txt"), path.join(folder.root, ID, "link.txt"));
  await mkdir(path.join(folder.root, ID, ".git"));
  await writeFile(path.join(folder.root, ID, ".git", "config"), "secret");
  await using hub = await startLocalHub({ root: folder.root });
  const paths = ["../../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/%2e%2e/secret.txt", "..%5c..%5csecret.txt"];
  for (const tail of [...paths, "%252e%252e/secret.txt", "link.txt", ".git/config", "/../../secret.txt"]) {
    for (const head of [`/${ID}/resolve/main/`, `/${ID}/raw/main/`, "/../", `/datasets/${ID}/resolve/main/`]) {
      const { status, body } = await getAsIs(hub.url, head + tail);
      expect([head + tail, status >= 400, body.includes("secret\n") || body === "secret"]).toEqual([
        head + tail,
        true,
        false,
      ]);
    }
  }
});

/** A request whose path no client has tidied up. */
function getAsIs(url: string, pathname: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    request({ hostname, port, path: pathname }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    })
      .on("error", reject)
      .end();
  });
}

it("says what is wrong with its folder and with hub.json", async () => {
  await using folder = await makeHubFolder();
  await expect(startLocalHub({ root: path.join(folder.root, "gone") })).rejects.toThrow(/gone is not there/);
  await writeFile(path.join(folder.root, "hub.json"), "{");
  await expect(startLocalHub({ root: folder.root })).rejects.toThrow(/hub\.json is not valid JSON/);
  await writeFile(path.join(folder.root, "hub.json"), '{"repositories": {"org/model": {"downloads": -1}}}');
  await expect(startLocalHub({ root: folder.root })).rejects.toThrow(/hub\.json is not valid[\s\S]*downloads/);
});

const weights = Buffer.from(modelFiles(1, "")["model.safetensors"] ?? "");
const onCdn = (fault: FaultRule["fault"]): FaultRule => ({ match: { kind: "cdn" }, times: 1, fault });
const fetchWeights = async (url: string): Promise<Buffer> =>
  Buffer.from(await (await fetch(`${url}/${ID}/resolve/main/model.safetensors`)).arrayBuffer());

it.each([
  ["corrupt", { kind: "corrupt" }, weights.length, false],
  ["wrong-length", { kind: "wrong-length" }, weights.length - 1, false],
  ["html", { kind: "html" }, "<!doctype html><title>Sign in</title>".length, false],
  ["status", { kind: "status", status: 503, body: "busy" }, 4, false],
  ["corrupt at the end", { kind: "corrupt", at: 0.9999 }, weights.length, false],
  ["delay", { kind: "delay", delayMs: 1 }, weights.length, true],
  ["trickle", { kind: "trickle", bytes: 100, pauseMs: 0 }, weights.length, true],
  ["one that is chosen for the request", () => ({ kind: "wrong-length" }) as const, weights.length - 1, false],
] as const)("makes a fault once: %s", async (_, fault, bytes, isRight) => {
  await using folder = await oneModel();
  await using hub = await startLocalHub({ root: folder.root, faults: [onCdn(fault)] });
  const spoilt = await fetchWeights(hub.url);
  expect([spoilt.length, spoilt.equals(weights)]).toEqual([bytes, isRight]);
  expect((await fetchWeights(hub.url)).equals(weights)).toBe(true);
});

it("cuts and stalls a body after some bytes", async () => {
  await using folder = await oneModel();
  await using hub = await startLocalHub({ root: folder.root });
  hub.faults.push(onCdn({ kind: "cut", afterBytes: 100 }), onCdn({ kind: "stall", afterBytes: 50 }));
  await expect(fetchWeights(hub.url)).rejects.toThrow();
  const response = await fetch(`${hub.url}/${ID}/resolve/main/model.safetensors`);
  const reader = response.body?.getReader();
  expect((await reader?.read())?.value?.length).toBe(50);
  await reader?.cancel();
  const sent = hub.requests.filter(({ kind }) => kind === "cdn").map(({ bytesSent }) => bytesSent);
  expect(sent).toEqual([100, 50]);
});
