import { z } from "zod";
import { fetchJson } from "../hub/fetch-json.ts";
import { show, type HubClient } from "../hub/hub-client.ts";
import { HubError } from "../hub/hub-error.ts";
import { parseReconstruction, type Reconstruction } from "./reconstruction.ts";
import { XetError } from "./xet-error.ts";

/** The right to read a repository's files on the content-addressed store (https://huggingface.co/docs/xet/auth). */
export interface XetAccess {
  /** What a file, or bytes `begin` to `end` of it, is made of. */
  reconstruct(
    hash: string,
    part?: { readonly begin: number; readonly end: number },
    signal?: AbortSignal,
  ): Promise<Reconstruction>;
  /** Opens bytes of a xorb at a signed address. */
  openXorb(url: string, begin: number, end: number, signal?: AbortSignal): Promise<Response>;
}

/** A token is renewed so long before it expires. */
const SAFETY_MS = 60_000;
const MAX_TOKEN_BYTES = 100_000;
/** A reconstruction of the most terms that are read stays below this. */
const MAX_JSON_BYTES = 128 * 1024 * 1024;

const tokenSchema = z.object({ accessToken: z.string().min(1).max(10_000), exp: z.number(), casUrl: z.url() });

/**
 * Access to the files of one revision. The token is asked for at the first use, once for all files, and goes to the
 * store's own origin only.
 * @param place `models/org/name` or `datasets/org/name`
 */
export function openXetAccess(
  client: HubClient,
  place: string,
  revision: string,
  now: () => number = Date.now,
): XetAccess {
  const tokenUrl = `${client.url}/api/${place}/xet-read-token/${revision}`;
  let token: Promise<z.infer<typeof tokenSchema>> | undefined;
  let version: 1 | 2 = 2;

  /** No plain-text origin for a hub that is asked by TLS. */
  const checkUrl = (url: string): string => {
    const { protocol } = new URL(url);
    const isAllowed = protocol === "https:" || (protocol === "http:" && client.url.startsWith("http:"));
    if (isAllowed) return url;
    throw new XetError(`${show(url)}: an address with ${protocol} is not followed`);
  };

  const fetchToken = async (signal?: AbortSignal) => {
    const { json } = await fetchJson(client, tokenUrl, { maxBytes: MAX_TOKEN_BYTES, signal });
    const parsed = tokenSchema.safeParse(json);
    if (!parsed.success) throw new XetError(`${show(tokenUrl)}: the answer is no token`);
    checkUrl(parsed.data.casUrl);
    return parsed.data;
  };

  const getToken = async (signal?: AbortSignal) => {
    const known = await token;
    if (known && known.exp * 1000 - SAFETY_MS > now()) return known;
    token = fetchToken(signal);
    token.catch(() => (token = undefined));
    return token;
  };

  const ask = async (hash: string, headers: Record<string, string>, signal?: AbortSignal): Promise<unknown> => {
    for (let renewed = false; ; renewed = true) {
      const { accessToken, casUrl } = await getToken(signal);
      const url = `${casUrl.replace(/\/+$/, "")}/v${version}/reconstructions/${hash}`;
      try {
        return (await fetchJson(client, url, { maxBytes: MAX_JSON_BYTES, headers, signal, bearer: accessToken })).json;
      } catch (cause) {
        if (!(cause instanceof HubError)) throw cause;
        if (cause.status === 401 && !renewed) token = undefined;
        // a store that does not know the newer version: https://huggingface.co/docs/xet/api asks to try the older one
        else if ((cause.status === 404 || cause.status === 501) && version === 2) version = 1;
        else throw cause;
      }
    }
  };

  return {
    async reconstruct(hash, part, signal) {
      const headers = part ? { range: `bytes=${part.begin}-${part.end - 1}` } : {};
      const json = await ask(hash, headers, signal);
      const found = parseReconstruction(json, version);
      for (const { url } of found.sources) checkUrl(url);
      return found;
    },
    async openXorb(url, begin, end, signal) {
      const headers = { range: `bytes=${begin}-${end - 1}`, "accept-encoding": "identity" };
      return (await client.request(url, { headers, signal })).response;
    },
  };
}
