import { writeDurably } from "../store/durable-file.ts";
import type { CatalogReader } from "../catalog/catalog-reader.ts";
import { overlapHtml } from "./overlap-html.ts";
import type { FamilyOverlap } from "./overlap-of-family.ts";

/** Writes the overlap of a family as one HTML file that needs nothing else: summary, block grid and table. */
export async function writeOverlapHtml(reader: CatalogReader, overlap: FamilyOverlap, file: string): Promise<void> {
  const chains = await reader.chains([overlap.base, ...overlap.models.map(({ model }) => model)]);
  await writeDurably(file, overlapHtml(overlap, chains));
}
