import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { InputError } from "../errors.ts";

export const DEFAULT_HUB_URL = "https://huggingface.co";

/** Which hub, and who asks. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The hub's address: `--hub`, else `HF_ENDPOINT`, else the real one.
 * @throws InputError when it is not an http(s) address
 */
export function parseHubUrl(option: string | undefined, env: Environment = process.env): string {
  const text = option ?? (env.HF_ENDPOINT || DEFAULT_HUB_URL);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.username !== "" || url.password !== "") {
    throw new InputError(`the hub ${JSON.stringify(text)} is not an http(s) address such as ${DEFAULT_HUB_URL}`);
  }
  return url.href.replace(/\/+$/, "");
}

/**
 * The token as huggingface_hub finds it: `HF_TOKEN`, else the file that `HF_TOKEN_PATH`, `HF_HOME` or `XDG_CACHE_HOME`
 * name, else none.
 * @throws InputError for one that is none
 */
export async function loadToken(env: Environment = process.env): Promise<string | null> {
  if (env.HF_TOKEN) return clean(env.HF_TOKEN);
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  const path = env.HF_TOKEN_PATH || join(home, "token");
  const text = await readFile(path, "utf8").catch(() => null);
  return text === null ? null : clean(text);
}

/** @throws InputError, which does not repeat it, for what cannot be a token: a header's error would show its value */
function clean(token: string): string | null {
  const trimmed = token.replace(/[\r\n]/g, "").trim();
  if (/[^\x21-\x7e]/.test(trimmed)) {
    throw new InputError("the token (HF_TOKEN, or the file that HF_HOME names) holds characters that no token has");
  }
  return trimmed === "" ? null : trimmed;
}
