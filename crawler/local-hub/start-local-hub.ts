import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { identifyVisitor } from "./access.ts";
import { answer, type HubContext } from "./answer.ts";
import { CdnFiles } from "./cdn-files.ts";
import { Faults, withFault, type FaultRule } from "./faults.ts";
import { errorReply, HubError } from "./hub-error.ts";
import { HubFolder } from "./hub-folder.ts";
import { HubSettingsFile, parseHubSettings, type HubSettings, type HubSettingsInput } from "./hub-settings.ts";
import { RateLimiter, type RateLimits } from "./rate-limit.ts";
import type { Reply } from "./reply.ts";
import { requestKind, RequestLog, type LoggedRequest, type RequestKind } from "./request-log.ts";
import { sendReply } from "./send-reply.ts";
import { Cas } from "./xet/cas.ts";
import { XorbStore, type XorbStoreOptions } from "./xet/xorb-store.ts";

export type { Fault, FaultMatch, FaultRule } from "./faults.ts";
export type { HubSettingsInput } from "./hub-settings.ts";
export type { RateLimits } from "./rate-limit.ts";
export type { LoggedRequest, RequestKind } from "./request-log.ts";
export type { XorbStoreOptions } from "./xet/xorb-store.ts";

export interface XetHubOptions extends XorbStoreOptions {
  /** Which versions of the reconstruction are answered. Default: 1 and 2. */
  readonly versions?: readonly number[];
}

export interface LocalHubOptions {
  /** The folder with the repositories: `<root>/<org>/<name>/…`, `<root>/datasets/<org>/<name>/…`, `<root>/hub.json`. */
  readonly root: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Default `127.0.0.1`: only this machine can ask. */
  readonly host?: string;
  /** In place of `<root>/hub.json`. */
  readonly settings?: HubSettingsInput;
  /** Keeps every commit that was asked for readable after its files were replaced. Default false. */
  readonly keepHistory?: boolean;
  readonly rateLimits?: RateLimits;
  /** Faults to make, the first that fits. More can be added to `LocalHub.faults` later. */
  readonly faults?: readonly FaultRule[];
  /** How long a link to a large file works. Default 3600 seconds, as on the Hub. */
  readonly linkSeconds?: number;
  /** Offers large files by the Xet protocol as well, from a third origin. Default: not. */
  readonly xet?: boolean | XetHubOptions;
  /** The clock of limits and links, in milliseconds. Default `Date.now`. */
  readonly now?: () => number;
}

export interface LocalHub extends AsyncDisposable {
  /** What `HF_ENDPOINT` is to be set to. */
  readonly url: string;
  /** The second origin, where large files are. */
  readonly cdnUrl: string;
  /** The third origin, which tells what large files are made of; undefined without Xet. */
  readonly casUrl: string | undefined;
  /** What was asked of all origins, oldest first. Emptying it (`length = 0`) starts anew. */
  readonly requests: LoggedRequest[];
  readonly faults: FaultRule[];
  close(): Promise<void>;
}

/**
 * Serves a folder of repositories with the protocol of the Hugging Face Hub: its API, its file URLs, and a second origin
 * for large files. Any client of the Hub works with it.
 */
export async function startLocalHub(options: LocalHubOptions): Promise<LocalHub> {
  const { root, port = 0, host = "127.0.0.1", now = Date.now, rateLimits = {}, linkSeconds = 3600 } = options;
  const isFolder = await stat(root).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new Error(`the hub's folder ${root} is not there, or is no folder`);
  const readSettings = await openSettings(root, options.settings);
  const log = new RequestLog();
  const faults = [...(options.faults ?? [])];
  const chosen = new Faults(faults);
  const limiter = new RateLimiter(rateLimits, now);
  const xet = options.xet === true ? {} : options.xet || undefined;
  const xorbs = xet && new XorbStore(xet);
  const folder = new HubFolder(root, { keepHistory: options.keepHistory ?? false, xorbs });
  const closing = new AbortController();

  /** Answers one request: logs it, finds the reply, lets a fault spoil it, sends it. */
  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    kindOf: (pathname: string) => RequestKind,
    reply: (url: URL, kind: RequestKind) => Promise<Reply>,
  ): Promise<void> {
    const url = new URL(`http://hub${request.url?.startsWith("/") ? request.url : "/"}`);
    const kind = kindOf(url.pathname);
    const entry = log.add({
      method: request.method ?? "GET",
      path: url.pathname + url.search,
      kind,
      range: request.headers.range,
      authorized: request.headers.authorization !== undefined,
      status: 0,
      bytesSent: 0,
    });
    const fault = chosen.take(entry);
    const isApi = kind === "api" || kind === "resolve-cache" || kind === "cas";
    const send = (what: Reply): Promise<void> => sendReply(response, withFault(what, fault), entry, closing.signal);
    try {
      await send(await reply(url, kind).catch((error: unknown) => errorReply(error, isApi)));
    } catch (error) {
      await send(errorReply(error, isApi));
    }
  }

  async function answerHub(request: IncomingMessage, url: URL, kind: RequestKind): Promise<Reply> {
    const settings = await readSettings();
    const visitor = identifyVisitor(request.headers.authorization, settings);
    const limit = limiter.count(
      kind === "api" ? "api" : "resolver",
      visitor?.token ?? request.socket.remoteAddress ?? "",
      visitor?.token !== undefined,
      kind === "resolve-cache" ? 0 : 1, // the Hub's cache answers these, and counts nobody's requests
    );
    const find = async (): Promise<Reply> => {
      if (limit.isExceeded) throw new HubError(429, "We had to rate limit you. Retry later, or use a token.");
      if (visitor === undefined) throw new HubError(401, "Invalid credentials in Authorization header");
      return await answer(request, url, visitor, settings, context);
    };
    const found = await find().catch((error: unknown) => errorReply(error, kind !== "resolver"));
    return { ...found, headers: { ...found.headers, ...limit.headers } };
  }

  const cdnServer = createServer((request, response) => {
    void serve(
      request,
      response,
      () => "cdn",
      async (url) => {
        const answering = url.pathname.startsWith("/xorbs/") && cas ? cas.answerXorb.bind(cas) : cdn.answer.bind(cdn);
        return answering(request.method ?? "GET", url, request.headers);
      },
    );
  });
  const cdnUrl = await listen(cdnServer, 0, host);
  const cdn = new CdnFiles({ url: cdnUrl, key: randomBytes(32), linkSeconds, now });
  const cas =
    xorbs && new Cas({ store: xorbs, cdnUrl, key: randomBytes(32), linkSeconds, now, versions: xet?.versions });
  const casServer = createServer((request, response) => {
    void serve(
      request,
      response,
      () => "cas",
      async (url) => {
        if (cas === undefined) throw new HubError(404, "this hub does not offer the Xet protocol");
        return cas.answer(request.method ?? "GET", url, request.headers);
      },
    );
  });
  const casUrl = cas && (await listen(casServer, 0, host));
  const hubServer = createServer((request, response) => {
    void serve(request, response, requestKind, (url, kind) => answerHub(request, url, kind));
  });
  const url = await listen(hubServer, port, host).catch(async (error: unknown) => {
    await Promise.all([stop(cdnServer), stop(casServer)]);
    throw error;
  });
  const context: HubContext = { folder, cdn, cas, casUrl, hubUrl: url };

  async function close(): Promise<void> {
    closing.abort();
    await Promise.all([stop(hubServer), stop(cdnServer), stop(casServer)]);
    await folder.close();
    await xorbs?.close();
  }
  return { url, cdnUrl, casUrl, requests: log.requests, faults, close, [Symbol.asyncDispose]: close };
}

async function openSettings(root: string, given: HubSettingsInput | undefined): Promise<() => Promise<HubSettings>> {
  if (given !== undefined) {
    const settings = parseHubSettings(given, "settings");
    return () => Promise.resolve(settings);
  }
  const file = new HubSettingsFile(root);
  await file.read(); // says at once what is wrong with it
  return () => file.read();
}

async function listen(server: Server, port: number, host: string): Promise<string> {
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`no port on ${host}`);
  return `http://${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
