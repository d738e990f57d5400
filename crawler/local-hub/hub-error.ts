import { jsonReply, textReply, type Reply } from "./reply.ts";

/** What the Hub puts in `X-Error-Code`. Clients choose their error class by it. */
export type HubErrorCode = "RepoNotFound" | "RevisionNotFound" | "EntryNotFound" | "GatedRepo";

/** A request that the hub answers with an error. Thrown anywhere below the router and turned into a reply in one place. */
export class HubError extends Error {
  readonly status: number;
  readonly code: HubErrorCode | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, code?: HubErrorCode, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "HubError";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** 400 with the reason, like the Hub's answer to a parameter that it cannot read. */
export const badRequest = (message: string): HubError => new HubError(400, message);

/**
 * A repository that is not there, or that the caller may not know of: 404 for a known token, 401 without one, so that
 * nobody can find out by guessing which private repositories exist.
 */
export const repoNotFound = (hasToken: boolean): HubError =>
  hasToken
    ? new HubError(404, "Repository not found", "RepoNotFound")
    : new HubError(401, "Invalid username or password.", "RepoNotFound", {
        "WWW-Authenticate": 'Bearer realm="Authentication required", charset="UTF-8"',
      });

export const revisionNotFound = (revision: string): HubError =>
  new HubError(404, `Invalid rev id: ${revision}`, "RevisionNotFound");

export const entryNotFound = (message = "Entry not found"): HubError => new HubError(404, message, "EntryNotFound");

/** Gated contents: 401 asks to log in, 403 says that this account was not given access. */
export const gatedRepo = (type: string, id: string, hasToken: boolean): HubError =>
  hasToken
    ? new HubError(
        403,
        `Access to ${type} ${id} is restricted and you are not in the authorized list. Visit the ${type}'s page to ask for access.`,
        "GatedRepo",
      )
    : new HubError(
        401,
        `Access to ${type} ${id} is restricted. You must have access to it and be authenticated to access it. Please log in.`,
        "GatedRepo",
      );

/** The reply for an error: JSON below `/api/`, plain text for files, as on the Hub. */
export function errorReply(error: unknown, isApi: boolean): Reply {
  const known = error instanceof HubError ? error : new HubError(500, `Internal Error: ${reason(error)}`);
  const headers = {
    ...known.headers,
    "X-Error-Message": known.message.replace(/[^\x20-\x7e]/g, "?"),
    ...(known.code && { "X-Error-Code": known.code }),
  };
  return isApi
    ? jsonReply({ error: known.message }, { status: known.status, headers })
    : textReply(known.message, { status: known.status, headers });
}

/** A local hub hides no reason: whoever runs it has to mend it. */
const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
