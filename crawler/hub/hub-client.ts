import { Agent, fetch as undiciFetch } from "undici";
import { userAgent } from "../user-agent.ts";
import { AdaptiveGate } from "./adaptive-gate.ts";
import { SYSTEM_CLOCK, type Clock } from "./clock.ts";
import { HubError, HubLimitError, HubTokenError, HubUnreachableError } from "./hub-error.ts";
import type { HubSettings } from "./hub-settings.ts";
import { pacedResponse } from "./paced-response.ts";
import { toldWaitMs } from "./rate-limit-headers.ts";
import { RateLimits, type BucketName } from "./rate-limits.ts";
import { backoffMs, DEFAULT_RETRY, isRetryableStatus, type RetryPolicy } from "./retry.ts";

/** What went over the wire since the client was made. */
export interface HubTraffic {
  requests: number;
  bytes: number;
  retries: number;
}

/** The one place that talks to a hub: redirects, the token, retries and limits are handled here and nowhere else. */
export interface HubClient {
  readonly url: string;
  readonly hasToken: boolean;
  readonly traffic: HubTraffic;
  /** For libraries: answers like `fetch`, but follows redirects itself and waits where the hub asks for it. */
  readonly fetch: typeof fetch;
  /**
   * Sends a request and returns the answer with its body still to be read, which breaks off with a SlowBodyError where it
   * comes too slowly.
   * @throws HubError for any status of 400 and above, HubTokenError when the hub refuses the token, HubLimitError when a
   * limit's reset is too far away, HubUnreachableError when nothing answers
   */
  request(url: string, init?: HubRequest): Promise<HubResponse>;
  close(): Promise<void>;
}

export interface HubRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** A token for the address's own origin, in place of the hub's; not sent on to where that redirects. */
  readonly bearer?: string;
}

type SendInit = RequestInit & Pick<HubRequest, "bearer">;

export interface HubResponse {
  readonly response: Response;
  /** The address that answered, after redirects; may be signed and short-lived. */
  readonly url: string;
}

export interface HubClientOptions {
  readonly retry?: RetryPolicy;
  /** Connections to each origin, and requests under way at a time; trouble makes them fewer for a while. */
  readonly connections?: number;
  /** The longest wait that a hub may ask for, in milliseconds. Its windows have 5 minutes. */
  readonly maxWaitMs?: number;
  /** A connection on which nothing arrives for so long, or next to nothing (MIN_BYTES_PER_SECOND), counts as broken. */
  readonly stallMs?: number;
  /** Told of every wait, for people to see why nothing moves. */
  readonly onWait?: (message: string) => void;
  readonly random?: () => number;
  readonly clock?: Clock;
}

const MAX_WAIT_MS = 15 * 60_000;
const MAX_REDIRECTS = 10;
/** Bodies of errors are shown in part. */
const MAX_ERROR_BYTES = 64 * 1024;
const UNREACHABLE = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

export function createHubClient(settings: HubSettings, options: HubClientOptions = {}): HubClient {
  const { retry = DEFAULT_RETRY, connections = 16, stallMs = 30_000, random = Math.random } = options;
  const { clock = SYSTEM_CLOCK, maxWaitMs = MAX_WAIT_MS, onWait = () => undefined } = options;
  const { origin } = new URL(settings.url);
  const agent = new Agent({
    connections,
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
    connect: { timeout: stallMs },
  });
  const limits = new RateLimits({ clock, maxWaitMs, onWait });
  const gates = { hub: new AdaptiveGate(connections), elsewhere: new AdaptiveGate(connections) };
  const traffic: HubTraffic = { requests: 0, bytes: 0, retries: 0 };
  const agentName = userAgent();

  const tokenFor = (asked: string, first: string, bearer: string | undefined): string | null => {
    if (bearer !== undefined) return asked === first ? bearer : null;
    return asked === origin ? settings.token : null;
  };

  /** One request, when its bucket and the other side have room for it. */
  const sendOne = async (url: URL, first: URL, init: SendInit): Promise<Response> => {
    const { bearer, ...rest } = init;
    const headers = new Headers(init.headers);
    headers.set("user-agent", agentName);
    headers.delete("authorization");
    const token = tokenFor(url.origin, first.origin, bearer);
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
    const bucket = bucketOf(url, settings.url);
    if (bucket) await limits.take(bucket, init.signal);
    const gate = url.origin === origin ? gates.hub : gates.elsewhere;
    const pass = await gate.enter(init.signal);
    let wentWell = false;
    try {
      traffic.requests++;
      const response = (await undiciFetch(url.href, {
        ...(rest as object),
        headers: Object.fromEntries(headers),
        redirect: "manual",
        dispatcher: agent,
      })) as unknown as Response;
      if (bucket) limits.learn(bucket, response.headers);
      wentWell = !isRetryableStatus(response.status);
      return response;
    } finally {
      gate.leave(pass, wentWell || init.signal?.aborted === true);
    }
  };

  /** Follows redirects by hand: the token goes to the hub's own origin and nowhere else. */
  const send = async (first: string, init: SendInit): Promise<HubResponse> => {
    const asked = new URL(first);
    let url = asked;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await sendOne(url, asked, init);
      const location = response.headers.get("location");
      // an answer about a file's place (307, 302) carries the headers that callers want; only fetches of content follow
      if (response.status < 300 || response.status >= 400 || location === null) return { response, url: url.href };
      await response.body?.cancel();
      const next = URL.canParse(location, url.href) ? new URL(location, url) : null;
      if (!next || !["http:", "https:"].includes(next.protocol)) {
        const where = next ? next.protocol : "what is no address";
        throw new HubError(`${show(url.href)} redirects to ${where}, which is not followed`, response.status, "");
      }
      url = next;
    }
    throw new HubError(`${show(first)} redirects more than ${MAX_REDIRECTS} times`, 310, "");
  };

  /** How long to wait after an answer until it is asked for anew. @throws when the hub asks for too long a wait */
  const waitAfter = (url: string, { status, headers }: Response, bucket: BucketName | null, attempt: number) => {
    const wait = toldWaitMs(status, headers, clock.now()) ?? backoffMs(attempt, retry, random);
    if (bucket) limits.close(bucket, wait);
    if (wait > maxWaitMs) {
      if (bucket) throw limits.error(bucket);
      throw new HubError(`${show(url)}: answered ${status} and asks to wait ${Math.ceil(wait / 1000)} s`, status, "");
    }
    if (bucket) return 0; // its next request waits, and says so
    onWait(`${show(url)}: it answered ${status}; waiting ${Math.ceil(wait / 1000)} s`);
    return wait;
  };

  const sendWithRetries = async (url: string, init: SendInit): Promise<HubResponse> => {
    for (let attempt = 0; ; attempt++) {
      const isLast = attempt + 1 >= retry.tries;
      let wait: number;
      try {
        const answer = await send(url, init);
        const { status, body } = answer.response;
        const bucket = status === 429 ? bucketOf(new URL(answer.url), settings.url) : null;
        if (!isRetryableStatus(status) || (isLast && !bucket)) return answer;
        await body?.cancel();
        wait = waitAfter(answer.url, answer.response, bucket, attempt);
        if (isLast && bucket) throw limits.error(bucket);
      } catch (cause) {
        if (init.signal?.aborted || cause instanceof HubError || cause instanceof HubLimitError) throw cause;
        if (isLast) throw unreachable(settings.url, cause);
        wait = backoffMs(attempt, retry, random);
        onWait(`${show(url)}: ${describe(cause)}; trying again in ${Math.ceil(wait / 1000)} s`);
      }
      traffic.retries++;
      if (wait > 0) await clock.sleep(wait, init.signal);
    }
  };

  return {
    url: settings.url,
    hasToken: settings.token !== null,
    traffic,
    fetch: async (input, init) => {
      const { response } = await sendWithRetries(input instanceof Request ? input.url : String(input), init ?? {});
      return pacedResponse(response, stallMs);
    },
    async request(url, { headers, signal, bearer } = {}) {
      const init = { ...(headers && { headers }), ...(signal && { signal }), ...(bearer && { bearer }) };
      const answer = await sendWithRetries(url, init);
      if (answer.response.status < 400) return { ...answer, response: pacedResponse(answer.response, stallMs) };
      const error = await toHubError(answer.response, url, settings.token);
      const isRefused = error.status === 401 && error.code === "" && new URL(answer.url).origin === origin;
      if (!isRefused || settings.token === null || bearer !== undefined) throw error;
      throw new HubTokenError(
        `the hub ${settings.url} does not accept the token (HF_TOKEN, or the file that a login wrote): ${error.message}`,
        { cause: error },
      );
    },
    close: () => agent.close(),
  };
}

/** The bucket that the hub counts a request in; null for what it does not count. */
function bucketOf(url: URL, hubUrl: string): BucketName | null {
  const hub = new URL(hubUrl);
  if (url.origin !== hub.origin) return null;
  const path = url.pathname.slice(hub.pathname.replace(/\/+$/, "").length);
  if (path.startsWith("/api/resolve-cache/")) return null; // the hub's cache answers these
  return path.startsWith("/api/") ? "api" : "resolvers";
}

/** An address without its query, which may hold a signature. */
export const show = (url: string): string => url.replace(/[?#].*$/s, "");

const describe = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code = inner instanceof Error && "code" in inner ? String(inner.code) : "";
  return code !== "" ? code : inner instanceof Error ? inner.message : String(inner);
};

function unreachable(url: string, cause: unknown): Error {
  const problem = describe(cause);
  const hint = UNREACHABLE.has(problem) ? "is the address right, and is there a network?" : "the connection broke";
  return new HubUnreachableError(
    `cannot reach the hub ${url} (${problem}): ${hint} To work offline, use --hub sample.`,
    { cause },
  );
}

/** @param token taken out of what the hub said: some servers repeat what they were sent */
async function toHubError(response: Response, url: string, token: string | null): Promise<HubError> {
  const code = response.headers.get("x-error-code") ?? "";
  let said = response.headers.get("x-error-message") ?? "";
  for await (const chunk of response.body ?? []) {
    if (said === "") said = errorText(new TextDecoder().decode((chunk as Uint8Array).subarray(0, MAX_ERROR_BYTES)));
    break;
  }
  if (token !== null) said = said.replaceAll(token, "[token]");
  return new HubError(`${show(url)}: the hub answered ${response.status}${said && `: ${said}`}`, response.status, code);
}

function errorText(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "error" in parsed) return String(parsed.error).slice(0, 300);
  } catch {
    // not JSON: the status alone says it
  }
  return "";
}
