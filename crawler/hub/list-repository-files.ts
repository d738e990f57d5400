import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import type { RepositoryFile } from "../repository.ts";
import { checkListedFile } from "./check-listed-file.ts";
import { fetchJson } from "./fetch-json.ts";
import type { HubClient } from "./hub-client.ts";
import { HubError } from "./hub-error.ts";
import { nextQuestion } from "./next-link.ts";

/** More files than any model repository has; a listing beyond it is not read on. */
const MAX_FILES = 100_000;
/** 1,000 entries of some 300 bytes; paths may be long. */
const MAX_PAGE_BYTES = 20_000_000;

/** Only the shape: what the entries say is checked one by one, so that the message can name the odd one. */
const entrySchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("file"),
    path: z.unknown().optional(),
    size: z.unknown().optional(),
    oid: z.unknown().optional(),
    lfs: z.object({ oid: z.unknown().optional() }).nullish(),
    xetHash: z.unknown().optional(),
  }),
  z.object({ type: z.enum(["directory", "unknown"]) }),
]);

/**
 * All files of a repository at a revision, by the hub's `tree`: a request for every thousand of them.
 * @param options.place `models/org/name` or `datasets/org/name`
 * @throws HubError when the answer is no list of files, CheckpointError when there are too many, or an odd one
 */
export async function listRepositoryFiles(
  client: HubClient,
  options: { readonly place: string; readonly revision: string; readonly signal?: AbortSignal | undefined },
): Promise<RepositoryFile[]> {
  const { place, revision, signal } = options;
  const address = `${client.url}/api/${place}/tree/${encodeURIComponent(revision)}`;
  const files: RepositoryFile[] = [];
  for (let question: string | null = "?recursive=true"; question !== null;) {
    const url: string = address + question;
    const { json, headers } = await fetchJson(client, url, { maxBytes: MAX_PAGE_BYTES, signal });
    const page = z.array(entrySchema).safeParse(json);
    if (!page.success) throw new HubError(`${address}: the answer is no list of files`, 200, "");
    for (const entry of page.data) {
      if (entry.type !== "file") continue;
      if (files.length >= MAX_FILES) throw new CheckpointError(`${place} has more than ${MAX_FILES} files`);
      files.push(checkListedFile(entry));
    }
    const next = nextQuestion(headers, url);
    if (next === question) throw new HubError(`${address}: the next page is the page itself`, 200, "");
    question = next;
  }
  return files;
}
