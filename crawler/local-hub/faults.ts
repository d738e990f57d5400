import { bodyLength, textReply, type Reply } from "./reply.ts";
import type { LoggedRequest, RequestKind } from "./request-log.ts";

/** What goes wrong. */
export type Fault =
  /** Another answer in place of the right one. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The connection breaks after so many bytes of the body. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** Nothing comes any more after so many bytes of the body; the connection stays open. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** The body comes drop by drop: so many bytes, a pause, and so on. */
  | { readonly kind: "trickle"; readonly bytes: number; readonly pauseMs: number }
  /** The right answer, late. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** A well-formed answer that lacks the last byte of the body. */
  | { readonly kind: "wrong-length" }
  /** A byte of the body is another one: the middle one, or that at a share of the way. */
  | { readonly kind: "corrupt"; readonly at?: number }
  /** A page in place of the file or the JSON, with status 200, like a captive portal. */
  | { readonly kind: "html" };

/** Which requests: by a function, or by kind and path, both of which must fit where both are given. */
export type FaultMatch =
  ((request: LoggedRequest) => boolean) | { readonly kind?: RequestKind; readonly path?: RegExp };

export interface FaultRule {
  readonly match: FaultMatch;
  /** How many requests it hits before it is used up. Default: all. */
  readonly times?: number;
  /** A function chooses for each request; none for those that it answers nothing. */
  readonly fault: Fault | ((request: LoggedRequest) => Fault | undefined);
}

/** What is left to do to the bytes while they are sent. */
export interface Transmission {
  readonly reply: Reply;
  readonly delayMs: number;
  /** Bytes of the body after which the connection breaks or hangs. */
  readonly end: { readonly kind: "cut" | "stall"; readonly afterBytes: number } | undefined;
  readonly trickle: { readonly bytes: number; readonly pauseMs: number } | undefined;
  /** Position in the body of a byte to spoil. */
  readonly corruptAt: number | undefined;
  /** Whether the answer is another one than without the fault, whatever is done to its bytes. */
  readonly isFaulty: boolean;
}

/** Picks the first rule that fits a request, and counts its use. */
export class Faults {
  readonly #rules: readonly FaultRule[];
  readonly #used = new Map<FaultRule, number>();

  constructor(rules: readonly FaultRule[]) {
    this.#rules = rules;
  }

  take(request: LoggedRequest): Fault | undefined {
    const rule = this.#rules.find(
      (candidate) => fits(candidate.match, request) && (this.#used.get(candidate) ?? 0) < (candidate.times ?? Infinity),
    );
    if (rule !== undefined) this.#used.set(rule, (this.#used.get(rule) ?? 0) + 1);
    return typeof rule?.fault === "function" ? rule.fault(request) : rule?.fault;
  }
}

/** Turns the right answer into what is sent instead. The one place where faults happen. */
export function withFault(reply: Reply, fault: Fault | undefined): Transmission {
  const plain: Transmission = {
    reply,
    delayMs: 0,
    end: undefined,
    trickle: undefined,
    corruptAt: undefined,
    isFaulty: false,
  };
  switch (fault?.kind) {
    case undefined:
      return plain;
    case "status": {
      const { status, headers = {}, body = "" } = fault;
      return { ...plain, isFaulty: true, reply: textReply(body, { status, headers }) };
    }
    case "html": {
      const headers = { "Content-Type": "text/html; charset=utf-8" };
      return { ...plain, isFaulty: true, reply: textReply("<!doctype html><title>Sign in</title>", { headers }) };
    }
    case "cut":
    case "stall":
      return { ...plain, end: { kind: fault.kind, afterBytes: fault.afterBytes } };
    case "trickle":
      return { ...plain, trickle: { bytes: fault.bytes, pauseMs: fault.pauseMs } };
    case "delay":
      return { ...plain, isFaulty: true, delayMs: fault.delayMs };
    case "wrong-length":
      return { ...plain, isFaulty: bodyLength(reply.body) > 0, reply: { ...reply, body: withoutLastByte(reply.body) } };
    case "corrupt":
      return { ...plain, corruptAt: Math.floor(bodyLength(reply.body) * (fault.at ?? 0.5)) };
  }
}

function withoutLastByte(body: Reply["body"]): Reply["body"] {
  if (bodyLength(body) === 0) return body;
  return body.kind === "bytes" ? { ...body, bytes: body.bytes.subarray(0, -1) } : { ...body, end: body.end - 1 };
}

function fits(match: FaultMatch, request: LoggedRequest): boolean {
  if (typeof match === "function") return match(request);
  return (match.kind ?? request.kind) === request.kind && (match.path?.test(request.path) ?? true);
}
