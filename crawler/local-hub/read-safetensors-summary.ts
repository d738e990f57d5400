import { open } from "node:fs/promises";
import { z } from "zod";
import type { Repository } from "./repository.ts";

export interface SafetensorsSummary {
  /** Parameters by data type. */
  readonly parameters: Readonly<Record<string, number>>;
  readonly total: number;
}

/** The limit of the reference implementation of safetensors. */
const MAX_HEADER_BYTES = 100_000_000;

const headerSchema = z.record(
  z.string(),
  z.union([z.object({ dtype: z.string(), shape: z.array(z.int().nonnegative()) }), z.record(z.string(), z.string())]),
);

/** Parameter counts, from the headers of the weight files in the repository's root. Undefined if it has none, or broken ones. */
export async function readSafetensorsSummary({ files }: Repository): Promise<SafetensorsSummary | undefined> {
  const weights = files.filter(({ path }) => /^model(-\d{5}-of-\d{5})?\.safetensors$/.test(path));
  if (weights.length === 0) return undefined;
  const parameters: Record<string, number> = {};
  for (const { location } of weights) {
    const header = await readHeader(location.path);
    if (header === undefined) return undefined;
    for (const tensor of Object.values(header)) {
      if (!Array.isArray(tensor["shape"]) || typeof tensor["dtype"] !== "string") continue; // metadata
      parameters[tensor["dtype"]] = (parameters[tensor["dtype"]] ?? 0) + tensor["shape"].reduce((a, b) => a * b, 1);
    }
  }
  return { parameters, total: Object.values(parameters).reduce((a, b) => a + b, 0) };
}

async function readHeader(path: string): Promise<z.output<typeof headerSchema> | undefined> {
  const handle = await open(path);
  try {
    const prefix = Buffer.alloc(8);
    if ((await handle.read(prefix, 0, 8, 0)).bytesRead < 8) return undefined;
    const length = prefix.readBigUInt64LE();
    if (length > MAX_HEADER_BYTES || length + 8n > (await handle.stat()).size) return undefined;
    const { buffer } = await handle.read({ buffer: Buffer.alloc(Number(length)), position: 8 });
    return headerSchema.parse(JSON.parse(buffer.toString("utf8")));
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
