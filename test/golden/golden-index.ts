import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { packageFile } from "../../crawler/package-file.ts";

/** References from PyTorch: a tiny model in the form of a repository, an input, and the activation after each block. */
const entrySchema = z.object({
  id: z.string(),
  model_type: z.string(),
  expected: z.string(),
  hidden: z.array(z.object({ name: z.string(), tensor: z.string() })),
  extra_features: z.array(z.string()).default([]),
  tolerance: z.object({ abs: z.number(), rel: z.number() }),
  weights: z.object({ format: z.string() }),
  shares_with: z.object({ id: z.string(), prefixes: z.union([z.string(), z.array(z.string())]) }).nullish(),
});

export type GoldenEntry = z.infer<typeof entrySchema>;

/** The few references that ship, and where a checkout of all of them is expected. */
const FOLDERS = [packageFile("test", "golden", "fixtures"), packageFile("..", "shared", "golden")];

/** All references that are at hand, each once. */
export async function loadGoldenIndex(): Promise<(GoldenEntry & { readonly folder: string })[]> {
  const entries = new Map<string, GoldenEntry & { folder: string }>();
  for (const folder of FOLDERS) {
    const path = join(folder, "index.json");
    if (!existsSync(path)) continue;
    for (const entry of z.array(entrySchema).parse(JSON.parse(await readFile(path, "utf8")))) {
      entries.set(entry.id, { ...entry, folder });
    }
  }
  return [...entries.values()];
}

export const hasAllReferences = (): boolean => existsSync(join(FOLDERS[1] ?? "", "index.json"));
