import { createHmac, timingSafeEqual } from "node:crypto";

export interface SignUrlParams {
  readonly url: URL;
  readonly key: Uint8Array;
  readonly expiresAtMs: number;
}

/** A URL that stands for a right: whoever has it may read this one file until it expires. */
export function signUrl({ url, key, expiresAtMs }: SignUrlParams): URL {
  const signed = new URL(url);
  signed.searchParams.set("Expires", String(Math.ceil(expiresAtMs / 1000)));
  signed.searchParams.set("Signature", signatureOf(signed, key));
  return signed;
}

/** Whether a URL was made by `signUrl` with this key, is unchanged, and has not expired. */
export function isSignatureValid(url: URL, key: Uint8Array, nowMs: number): boolean {
  const given = Buffer.from(url.searchParams.get("Signature") ?? "");
  const right = Buffer.from(signatureOf(url, key));
  const isGenuine = given.length === right.length && timingSafeEqual(given, right);
  return isGenuine && nowMs < Number(url.searchParams.get("Expires")) * 1000;
}

function signatureOf(url: URL, key: Uint8Array): string {
  const params = new URLSearchParams(url.searchParams);
  params.delete("Signature");
  return createHmac("sha256", key).update(`${url.pathname}?${params}`).digest("base64url");
}
