import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { HubError, errorReply, repoNotFound, entryNotFound } from "../../crawler/local-hub/hub-error.ts";
import { parseListQuery, writeCursor, type ListQuery } from "../../crawler/local-hub/list-query.ts";
import { jsonReply, type Reply } from "../../crawler/local-hub/reply.ts";
import { parseRoute } from "../../crawler/local-hub/router.ts";
import { fileReply } from "../../crawler/local-hub/send-file.ts";
import { sendReply } from "../../crawler/local-hub/send-reply.ts";
import { SyntheticModels, type SyntheticModel } from "./synthetic-models.ts";

// A process of its own, whose memory is not that of the crawl: the local hub's protocol over models that are made up on
// demand. Messages: a number of models that have changed since.

const [count, familySize] = process.argv.slice(2).map(Number);
if (count === undefined || familySize === undefined) throw new Error("expected a number of models and of a family");
const models = new SyntheticModels({ models: count, familySize });
const FINETUNE = "base_model:finetune:";
const closing = new AbortController();

function answer(request: IncomingMessage, url: URL, hubUrl: string): Reply {
  const route = parseRoute(url.pathname);
  if (route.kind === "list") return list(parseListQuery(url.searchParams, "model"), url, hubUrl);
  if (route.kind === "whoami") throw new HubError(401, "no accounts here");
  const index = models.find(route.id);
  if (index === undefined) throw repoNotFound(false);
  const model = models.get(index);
  if (route.kind === "info")
    return jsonReply({ ...entry(model), siblings: models.files.map(({ path }) => ({ path })) });
  if (route.kind === "tree") return jsonReply(models.files.map((file) => treeEntry(model, file)));
  const file = models.files.find(({ path }) => "path" in route && path === route.path);
  if (!file) throw entryNotFound();
  const bytes = file.lfs ? models.weights(index) : models.config;
  const headers = { "X-Repo-Commit": model.sha };
  return fileReply({ body: { kind: "bytes", bytes }, etag: `"${model.sha}-${file.path}"`, headers }, request.headers);
}

const entry = ({ id, sha, lastModified, tags, downloads }: SyntheticModel) => ({
  ...{ _id: sha.slice(0, 24), id, modelId: id, sha, lastModified, tags, downloads },
  ...{ likes: 0, private: false, gated: false, pipeline_tag: "image-classification", library_name: "transformers" },
  createdAt: "2024-01-01T00:00:00.000Z",
});

const treeEntry = ({ sha }: SyntheticModel, { path, size, lfs }: (typeof models.files)[number]) => ({
  ...{ type: "file", oid: sha, size, path },
  ...(lfs && { lfs: { oid: (sha + sha).slice(0, 64), size, pointerSize: 130 } }),
});

/** Newest first, as sort=lastModified gives them. */
function list(query: ListQuery, url: URL, hubUrl: string): Reply {
  const matching = candidates(query)
    .map((index) => models.get(index))
    .sort((a, b) => (a.lastModified < b.lastModified ? 1 : -1));
  const { cursor } = query;
  const left = cursor ? matching.filter(({ lastModified }) => lastModified < String(cursor.value)) : matching;
  const page = left.slice(0, query.limit);
  const last = page.at(-1);
  const headers: Record<string, string> = {};
  if (last && left.length > page.length) {
    const next = new URL(`${url.pathname}${url.search}`, hubUrl);
    next.searchParams.set("cursor", writeCursor({ value: last.lastModified, id: last.id }));
    headers.Link = `<${next.href}>; rel="next"`;
  }
  return jsonReply(page.map(entry), { headers });
}

/** Numbers of the models that a question can mean: one family's where it names one, else all. */
function candidates({ filters, search }: ListQuery): number[] {
  const named = filters.find((tag) => tag.startsWith(FINETUNE))?.slice(FINETUNE.length) ?? search[0];
  const family = /synthetic-(\d+)-/.exec(named ?? "")?.[1];
  const isTagged = filters.length > 0;
  const numbers: number[] = [];
  const step = family === undefined ? 1 : models.families;
  for (let index = Number(family ?? 0); index < models.count; index += step) {
    if (!isTagged || index >= models.families) numbers.push(index);
  }
  return numbers;
}

const server = createServer((request, response) => {
  const url = new URL(`http://hub${request.url ?? "/"}`);
  let reply: Reply;
  try {
    reply = answer(request, url, `http://${request.headers.host ?? ""}`);
  } catch (cause) {
    reply = errorReply(cause, true);
  }
  const entryOfLog = {
    ...{ method: request.method ?? "GET", path: url.pathname, kind: "api" as const, range: request.headers.range },
    ...{ authorized: false, status: 0, bytesSent: 0 },
  };
  const plain = { reply, delayMs: 0, end: undefined, trickle: undefined, corruptAt: undefined, isFaulty: false };
  void sendReply(response, plain, entryOfLog, closing.signal);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (address === null || typeof address === "string") throw new Error("no port");
process.on("message", (changed) => {
  models.change(Number(changed));
  process.send?.({ changed });
});
process.on("disconnect", () => process.exit());
process.send?.({
  url: `http://127.0.0.1:${address.port}`,
  bases: Array.from({ length: models.families }, (_, family) => models.base(family)),
});
