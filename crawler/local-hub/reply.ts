/** A file on disk as it was when it was listed. `stamp` tells whether it is still the same one. */
export interface FileLocation {
  readonly path: string;
  readonly stamp: string;
}

/** What follows the headers. A file part is read only while it is sent. */
export type Body =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly location: FileLocation; readonly start: number; readonly end: number };

/** An answer as a value: handlers make it, `sendReply` alone writes it to a socket. `Content-Length` follows from the body. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
}

interface ReplyOptions {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export const emptyBody: Body = { kind: "bytes", bytes: new Uint8Array() };

export const bodyLength = (body: Body): number => (body.kind === "bytes" ? body.bytes.length : body.end - body.start);

export function textReply(text: string, { status = 200, headers = {} }: ReplyOptions = {}): Reply {
  return {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
    body: { kind: "bytes", bytes: Buffer.from(text) },
  };
}

export function jsonReply(value: unknown, { headers = {}, ...rest }: ReplyOptions = {}): Reply {
  return textReply(JSON.stringify(value), {
    ...rest,
    headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
  });
}

export function redirectReply(status: 302 | 307, location: string, headers: Readonly<Record<string, string>>): Reply {
  const word = status === 302 ? "Found" : "Temporary Redirect";
  return textReply(`${word}. Redirecting to ${location}`, { status, headers: { ...headers, Location: location } });
}
