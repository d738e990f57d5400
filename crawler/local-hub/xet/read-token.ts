import { createHmac, timingSafeEqual } from "node:crypto";

/** What opens a repository's files on the content-addressed store, for a while. */
export interface ReadToken {
  readonly accessToken: string;
  /** Seconds since 1970. */
  readonly exp: number;
}

/** @param repository internal id of the repository whose files it opens */
export function issueReadToken(repository: string, key: Uint8Array, expiresAtMs: number): ReadToken {
  const exp = Math.floor(expiresAtMs / 1000);
  const claim = `xet_${repository}_${exp}`;
  return { accessToken: `${claim}_${signatureOf(claim, key)}`, exp };
}

/** The repository whose files a token opens; undefined if it is forged or has expired. */
export function openReadToken(authorization: string | undefined, key: Uint8Array, nowMs: number): string | undefined {
  const [, claim = "", repository, exp, given = ""] =
    /^Bearer (xet_([0-9a-f]+)_(\d+))_([\w-]+)$/i.exec(authorization ?? "") ?? [];
  const right = Buffer.from(signatureOf(claim, key));
  const isGenuine = given.length === right.length && timingSafeEqual(Buffer.from(given), right);
  return isGenuine && nowMs < Number(exp) * 1000 ? repository : undefined;
}

const signatureOf = (claim: string, key: Uint8Array): string =>
  createHmac("sha256", key).update(claim).digest("base64url");
