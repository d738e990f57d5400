export type RequestKind = "api" | "resolver" | "resolve-cache" | "cdn" | "cas";

/** A request that was made, and what became of it. Grows with the answer. */
export interface LoggedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly kind: RequestKind;
  readonly range: string | undefined;
  /** Whether the request carried an `Authorization` header. The token itself is never kept. */
  readonly authorized: boolean;
  /** 0 until the answer begins. */
  status: number;
  /** Bytes of the body that were sent, without the headers. */
  bytesSent: number;
  /** True once a fault has changed the answer: one that breaks it off behind its end, for instance, does not. */
  isFaulty?: boolean;
}

/** Requests that are remembered. A hub that runs for long must not grow without end. */
const MAX_LOGGED_REQUESTS = 100_000;

/** The latest requests, oldest first. */
export class RequestLog {
  readonly requests: LoggedRequest[] = [];

  add(request: LoggedRequest): LoggedRequest {
    this.requests.push(request);
    if (this.requests.length > MAX_LOGGED_REQUESTS) this.requests.shift();
    return request;
  }
}

/** The kind of a request to the hub's own origin. */
export function requestKind(pathname: string): Exclude<RequestKind, "cdn" | "cas"> {
  if (pathname.startsWith("/api/resolve-cache/")) return "resolve-cache";
  return pathname.startsWith("/api/") ? "api" : "resolver";
}
