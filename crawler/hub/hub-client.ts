import { setTimeout as sleep } from "node:timers/promises";
import { Agent, fetch as undiciFetch } from "undici";
import { HubError, HubUnreachableError } from "./hub-error.ts";
import type { HubSettings } from "./hub-settings.ts";
import { backoffMs, DEFAULT_RETRY, isRetryableStatus, limitBucket, limitWaitMs, type RetryPolicy } from "./retry.ts";

/** What went over the wire since the client was made. */
export interface HubTraffic {
  requests: number;
  bytes: number;
  retries: number;
}

/** The one place that talks to a hub: redirects, the token, retries and limits are handled here and nowhere else. */
export interface HubClient {
  readonly url: string;
  readonly traffic: HubTraffic;
  /** For libraries: answers like `fetch`, but follows redirects itself and waits where the hub asks for it. */
  readonly fetch: typeof fetch;
  /**
   * Sends a request and returns the answer with its body still to be read.
   * @throws HubError for any status of 400 and above, HubUnreachableError when nothing answers
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
  /** Connections to each origin. */
  readonly connections?: number;
  /** A connection on which nothing arrives for so long counts as broken. */
  readonly stallMs?: number;
  readonly version?: string;
  /** Told of every wait, for people to see why nothing moves. */
  readonly onWait?: (message: string) => void;
  readonly random?: () => number;
}

const MAX_REDIRECTS = 10;
/** Bodies of errors are shown in part. */
const MAX_ERROR_BYTES = 64 * 1024;
const UNREACHABLE = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

export function createHubClient(settings: HubSettings, options: HubClientOptions = {}): HubClient {
  const { retry = DEFAULT_RETRY, connections = 16, stallMs = 30_000, random = Math.random } = options;
  const origin = new URL(settings.url).origin;
  const agent = new Agent({
    connections,
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
    connect: { timeout: stallMs },
  });
  const traffic: HubTraffic = { requests: 0, bytes: 0, retries: 0 };
  const userAgent = `alsatian/${options.version ?? "0"}; node/${process.versions.node}`;

  const tokenFor = (asked: string, first: string, bearer: string | undefined): string | null => {
    if (bearer !== undefined) return asked === first ? bearer : null;
    return asked === origin ? settings.token : null;
  };

  /** Follows redirects by hand: the token goes to the hub's own origin and nowhere else. */
  const send = async (first: string, init: SendInit): Promise<HubResponse> => {
    const { bearer, ...rest } = init;
    let url = first;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const headers = new Headers(init.headers);
      headers.set("user-agent", userAgent);
      headers.delete("authorization");
      const token = tokenFor(new URL(url).origin, new URL(first).origin, bearer);
      if (token !== null) headers.set("authorization", `Bearer ${token}`);
      traffic.requests++;
      const response = (await undiciFetch(url, {
        ...(rest as object),
        headers: Object.fromEntries(headers),
        redirect: "manual",
        dispatcher: agent,
      })) as unknown as Response;
      const location = response.headers.get("location");
      // an answer about a file's place (307, 302) carries the headers that callers want; only fetches of content follow
      if (response.status < 300 || response.status >= 400 || location === null) return { response, url };
      await response.body?.cancel();
      const next = new URL(location, url);
      if (!["http:", "https:"].includes(next.protocol)) {
        throw new HubError(`${show(url)} redirects to ${next.protocol}, which is not followed`, response.status, "");
      }
      url = next.href;
    }
    throw new HubError(`${show(first)} redirects more than ${MAX_REDIRECTS} times`, 310, "");
  };

  const sendWithRetries = async (url: string, init: SendInit): Promise<HubResponse> => {
    for (let attempt = 0; ; attempt++) {
      const last = attempt + 1 >= retry.tries;
      let wait: number;
      try {
        const answer = await send(url, init);
        const { status, headers } = answer.response;
        if (!isRetryableStatus(status) || last) return answer;
        await answer.response.body?.cancel();
        wait = limitWaitMs(headers) ?? backoffMs(attempt, retry, random);
        const reason =
          status === 429 ? `the hub's limit "${limitBucket(headers)}" is reached` : `it answered ${status}`;
        options.onWait?.(`${show(url)}: ${reason}; waiting ${Math.ceil(wait / 1000)} s`);
      } catch (cause) {
        if (init.signal?.aborted || cause instanceof HubError) throw cause;
        if (last) throw unreachable(settings.url, cause);
        wait = backoffMs(attempt, retry, random);
        options.onWait?.(`${show(url)}: ${describe(cause)}; trying again in ${Math.ceil(wait / 1000)} s`);
      }
      traffic.retries++;
      await sleep(wait, undefined, { ...(init.signal && { signal: init.signal }) });
    }
  };

  return {
    url: settings.url,
    traffic,
    fetch: async (input, init) => {
      const { response } = await sendWithRetries(input instanceof Request ? input.url : String(input), init ?? {});
      return response;
    },
    async request(url, { headers, signal, bearer } = {}) {
      const init = { ...(headers && { headers }), ...(signal && { signal }), ...(bearer && { bearer }) };
      const answer = await sendWithRetries(url, init);
      if (answer.response.status >= 400) throw await toHubError(answer.response, url, settings.token);
      return answer;
    },
    close: () => agent.close(),
  };
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
