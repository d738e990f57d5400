import type { Fault, LoggedRequest } from "../../crawler/local-hub/start-local-hub.ts";
import type { Random } from "./random.ts";

/** Faults by the names under which they are counted. */
export const FAULT_NAMES = [
  ...(["cut", "stall", "trickle", "crawl", "delay", "500", "502", "503", "429"] as const),
  ...(["wrong-length", "corrupt", "html", "redirect-loop", "expired-link", "refused-token"] as const),
] as const;
export type FaultName = (typeof FAULT_NAMES)[number];

/** What is asked for: the hub's API, its resolver and cache of small files, large files, xorbs, and what files are made of. */
export const PLACES = ["api", "resolver", "resolve-cache", "file", "xorb", "cas"] as const;
export type Place = (typeof PLACES)[number];

export function placeOf({ kind, path }: LoggedRequest): Place {
  if (kind !== "cdn") return kind;
  return path.startsWith("/xorbs/") ? "xorb" : "file";
}

/** How large answers are that are broken somewhere: most are smaller, some larger. */
const MAX_BREAK_BYTES = 100_000;

/** What may go wrong with a request. Links are signed on the other origin only, and tokens go to the hub and its store. */
export function possibleFaults(place: Place): FaultName[] {
  const isSigned = place === "file" || place === "xorb";
  return FAULT_NAMES.filter((name) => {
    if (name === "expired-link") return isSigned;
    if (name === "refused-token") return !isSigned;
    return true;
  });
}

/** A fault by its name, with whatever of it is left to chance. */
export function makeFault(name: FaultName, request: LoggedRequest, random: Random): Fault {
  switch (name) {
    case "cut":
    case "stall":
      return { kind: name, afterBytes: Math.floor(MAX_BREAK_BYTES ** random.next()) - 1 };
    case "trickle":
      return { kind: "trickle", bytes: 20_000, pauseMs: 10 };
    case "crawl":
      return { kind: "trickle", bytes: 10, pauseMs: 100 }; // below the least rate, and never silent
    case "delay":
      return { kind: "delay", delayMs: random.below(300) };
    case "500":
    case "502":
    case "503":
      return { kind: "status", status: Number(name) };
    case "429":
      return { kind: "status", status: 429, headers: { "Retry-After": "1" } };
    case "corrupt":
      return { kind: "corrupt", at: random.next() };
    case "redirect-loop":
      return { kind: "status", status: 302, headers: { Location: request.path } };
    case "expired-link":
      return { kind: "status", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" };
    case "refused-token":
      return { kind: "status", status: 401 };
    case "wrong-length":
    case "html":
      return { kind: name };
  }
}
