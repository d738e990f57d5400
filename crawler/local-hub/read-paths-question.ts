import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { badRequest, HubError } from "./hub-error.ts";
import { readFlag } from "./query-values.ts";

/** The largest body of a question about paths: a thousand paths of a thousand characters. */
const MAX_BODY_BYTES = 1_000_000;

const questionSchema = z.object({ paths: z.array(z.string()).max(1000), expand: z.boolean().default(false) });

export type PathsQuestion = z.output<typeof questionSchema>;

/** Reads the body of a `paths-info` request: JSON, or a form as Python's client sends it. */
export async function readPathsQuestion(request: IncomingMessage): Promise<PathsQuestion> {
  const text = await readText(request);
  try {
    if (!request.headers["content-type"]?.startsWith("application/json")) {
      const form = new URLSearchParams(text);
      return questionSchema.parse({ paths: form.getAll("paths"), expand: readFlag(form, "expand") });
    }
    return questionSchema.parse(JSON.parse(text));
  } catch {
    throw badRequest('Invalid body, expected {"paths": ["…"], "expand": false}');
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MAX_BODY_BYTES) throw new HubError(413, `The body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}
