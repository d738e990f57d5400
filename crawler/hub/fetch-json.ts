import { show, type HubClient, type HubRequest } from "./hub-client.ts";
import { HubError } from "./hub-error.ts";

export interface JsonAnswer {
  readonly json: unknown;
  readonly headers: Headers;
}

/** How often an answer that breaks off or is no JSON is asked for anew. */
const TRIES = 5;

/**
 * Asks a hub's API, or its store, a question.
 * @throws HubError when the answer has more than `maxBytes`, or is no JSON however often it is asked for
 */
export async function fetchJson(
  client: HubClient,
  url: string,
  { maxBytes, ...request }: HubRequest & { readonly maxBytes: number },
): Promise<JsonAnswer> {
  for (let tries = 1; ; tries++) {
    const { response } = await client.request(url, {
      ...request,
      headers: { accept: "application/json", ...request.headers },
    });
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(await readBody(response, url, maxBytes));
      return { json: JSON.parse(text), headers: response.headers };
    } catch (cause) {
      if (request.signal?.aborted || cause instanceof HubError) throw cause;
      if (tries < TRIES) continue;
      const why = cause instanceof SyntaxError ? "the answer is not JSON (a web page?)" : "the answer breaks off";
      throw new HubError(`${show(url)}: ${why}`, response.status, "", { cause });
    }
  }
}

async function readBody(response: Response, url: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      throw new HubError(`${show(url)}: the answer has more than ${maxBytes} bytes`, response.status, "");
    }
    chunks.push(chunk);
  }
  const told = response.headers.get("content-length");
  const isWhole = told === null || response.headers.has("content-encoding") || bytes === Number(told);
  if (!isWhole) throw new Error(`${bytes} bytes arrived of ${told}`);
  return Buffer.concat(chunks);
}
