import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { overlapOfFamily, type FamilyOverlap } from "../../indexer/overlap/overlap-of-family.ts";
import { PATTERNS } from "../../indexer/overlap/patterns.ts";
import { writeOverlapHtml } from "../../indexer/overlap/write-overlap-html.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, type Command } from "./common.ts";

interface OverlapArguments {
  readonly family?: string | undefined;
  readonly model?: string | undefined;
  readonly html?: string | undefined;
}

export const overlapCommand: Command<OverlapArguments> = {
  command: "overlap",
  describe: "how much the fine-tunes of a family share with their base",
  builder: (yargs) =>
    yargs
      .option("family", { type: "string", describe: "the family, by name or base model id" })
      .option("model", { type: "string", describe: "only this fine-tune" })
      .option("html", { type: "string", describe: "also write a page with a picture of all blocks" })
      .example("$0 overlap --family detr-resnet-50", "a row a fine-tune, and the family's sums")
      .example("$0 overlap --family detr-resnet-50 --html overlap.html", "which block of which model changed"),
  async handler({ family, model, html }, { home, output }) {
    const reader = await openCatalogReader(home);
    try {
      const name = family ?? (model === undefined ? undefined : (await reader.readModel(model))?.model.family);
      if (!name) throw new InputError("name a --family, or a --model that belongs to one");
      const overlap = await overlapOfFamily(reader, name, model === undefined ? {} : { model });
      if (html !== undefined) {
        await writeOverlapHtml(reader, overlap, html);
        output.log(`wrote ${html}`);
      }
      output.json(overlap);
      output.print(describeOverlap(overlap));
      return EXIT.done;
    } finally {
      reader.close();
    }
  },
};

function describeOverlap({ base, models, summary }: FamilyOverlap): string {
  const number = (title: string) => ({ title, isNumber: true });
  const table = formatTable(
    [{ title: "model" }, number("shared blocks"), number("prefix"), number("shared bytes"), { title: "pattern" }],
    models.map((model) => [
      model.model,
      `${model.sharedBlocks}/${model.blocks}`,
      String(model.sharedPrefix),
      `${formatBytes(model.sharedBytes)}/${formatBytes(model.bytes)}`,
      model.pattern,
    ]),
  );
  const patterns = PATTERNS.filter((pattern) => summary.patterns[pattern] > 0)
    .map((pattern) => `${summary.patterns[pattern]} ${pattern}`)
    .join(", ");
  const saved = summary.bytes > 0 ? 100 * (1 - summary.uniqueBytes / summary.bytes) : 0;
  return [
    table,
    "",
    `${summary.overlapping} of ${summary.models} fine-tunes share blocks with ${base} (${(100 * summary.overlapShare).toFixed(1)} %): ${patterns || "none"}`,
    `${formatBytes(summary.bytes)} of backbones, ${formatBytes(summary.uniqueBytes)} of different blocks: storing each block once saves ${saved.toFixed(1)} %`,
  ].join("\n");
}
