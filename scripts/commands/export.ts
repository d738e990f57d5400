import { resolve } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { exportModel } from "../../indexer/export-model.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { withStoreLease } from "../../indexer/store/store-lease.ts";
import { trainHead } from "../../search/train-head.ts";
import { EXIT, hubFetcher, readCatalog, type Command, type CommandContext } from "./common.ts";
import { CRAWL_DEFAULTS, runCrawl } from "./crawl.ts";

interface ExportArguments {
  readonly model?: string | undefined;
  readonly run?: string | undefined;
  readonly to: string;
  readonly blocks: boolean;
}

export const exportCommand: Command<ExportArguments> = {
  command: "export [model]",
  describe: "write a model as ONNX, or the winner of a search with its classifier",
  builder: (yargs) =>
    yargs
      .positional("model", { type: "string", describe: "a model, by id" })
      .option("run", { type: "string", describe: "a search: its winner, with the trained proxy as head" })
      .option("to", { type: "string", demandOption: true, describe: "the folder to write to" })
      .option("blocks", { type: "boolean", default: false, describe: "also each block: blocks/000.onnx, …" })
      .example("$0 export facebook/detr-resnet-50 --to ./onnx", "onnx/model.onnx and its weights")
      .example("$0 export --run 20260101120000-ab12 --to ./winner", "pixel_values in, feature and logits out"),
  async handler({ model, run, to, blocks }, context) {
    if ((model === undefined) === (run === undefined)) throw new InputError("name a model, or a search with --run");
    const { home, signal, output } = context;
    const store = openBlockStore(home);
    const folder = resolve(to);
    if (model !== undefined) await crawlIfMissing(model, context);
    return withStoreLease(home, async () => {
      const reader = await openCatalogReader(home);
      try {
        const trained =
          run === undefined
            ? null
            : await trainHead({ reader, store, home, run, signal, fetchHub: hubFetcher(context) });
        const modelId = trained?.modelId ?? model ?? "";
        const exported = await exportModel({
          reader,
          store,
          modelId,
          folder,
          blocks,
          signal,
          ...(trained && { head: trained.head }),
        });
        output.json({ ...exported, ...(trained && { run, classes: trained.classes }) });
        output.print(`wrote ${modelId} (${exported.blocks} blocks, ${formatBytes(exported.bytes)}) to ${folder}`);
        if (trained) output.print(`with a classifier for ${trained.classes.join(", ")}`);
        return EXIT.done;
      } finally {
        reader.close();
      }
    });
  },
};

async function crawlIfMissing(model: string, context: CommandContext): Promise<void> {
  const known = await readCatalog(context.home, async (reader) => (await reader.readModel(model))?.model.status);
  if (known === "indexed") return;
  context.output.log(`${model} is not indexed in ${context.home} yet: crawling it first`);
  await runCrawl({ ...CRAWL_DEFAULTS, model: [model], concurrency: 1 }, context);
}
