import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { isModelId } from "../../crawler/families.ts";
import { formatBytes } from "../../crawler/format-bytes.ts";
import { openHubRepository } from "../../crawler/hub/hub-repository.ts";
import { inspectModel } from "../../crawler/inspect-model.ts";
import { findModel } from "../../crawler/find-model.ts";
import { openLocalRepository } from "../../crawler/local-repository.ts";
import type { Repository } from "../../crawler/repository.ts";
import { openCatalogReader, type CatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { scanModel, type Relative, type ScannedModel } from "../../indexer/overlap/scan-model.ts";
import { storeBackbone } from "../../indexer/store-backbone.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, withHub, type Command, type CommandContext } from "./common.ts";

interface ScanArguments {
  readonly model: string;
  readonly top: number;
  readonly includePickle: boolean;
}

export const scanCommand: Command<ScanArguments> = {
  command: "scan <model>",
  describe: "the nearest relatives of one model in the whole catalog",
  builder: (yargs) =>
    yargs
      .positional("model", { type: "string", demandOption: true, describe: "a model id, or a local folder" })
      .option("top", { type: "number", default: 10, describe: "how many relatives" })
      .option("include-pickle", { type: "boolean", default: false, describe: "also read torch .bin files" })
      .example("$0 scan ./my-checkpoint", "where does this checkpoint come from?")
      .example("$0 scan acme/my-detr", "a model of the hub, whether it was crawled or not"),
  async handler({ model, top, includePickle }, context) {
    const reader = await openCatalogReader(context.home);
    try {
      const scanned = await findScanned({ model, includePickle }, reader, context);
      const relatives = await scanModel(reader, scanned, { top });
      context.output.json({ model, blocks: scanned.blocks.length, relatives });
      context.output.print(describeRelatives(model, scanned, relatives));
      return EXIT.done;
    } finally {
      reader.close();
    }
  },
};

/** The blocks and tensors of a folder, of the catalog's model, or of the hub's. */
async function findScanned(
  { model, includePickle }: Omit<ScanArguments, "top">,
  reader: CatalogReader,
  context: CommandContext,
): Promise<ScannedModel> {
  if ((await stat(model).catch(() => null))?.isDirectory())
    return readBlocks(await openLocalRepository(model), includePickle, context);
  if (!isModelId(model)) throw new InputError(`${JSON.stringify(model)} is neither a folder nor a model id (org/name)`);
  const entry = await reader.readModel(model);
  if (entry?.model.status === "indexed") return { modelId: model, blocks: entry.blocks, tensors: entry.tensors };
  return withHub(context, async (client) => {
    const { id, revision } = await findModel(client, model);
    return { ...(await readBlocks(openHubRepository(client, id, revision), includePickle, context)), modelId: model };
  });
}

/** Reads a model's backbone without adding it to the home. */
async function readBlocks(
  repository: Repository,
  includePickle: boolean,
  { signal }: CommandContext,
): Promise<ScannedModel> {
  const { export: plan, files } = await inspectModel(repository, { includePickle, signal });
  if (plan instanceof Error) throw new InputError(`${repository.id}: ${plan.message}`, { cause: plan });
  const folder = await mkdtemp(join(tmpdir(), "alsatian-scan-"));
  try {
    const { checkpoint, backbone } = plan;
    const store = openBlockStore(folder);
    const stored = await storeBackbone({ repository, checkpoint, backbone, files, store, tensors: "backbone", signal });
    return { blocks: stored.blocks, tensors: [...stored.tensors.values()] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function describeRelatives(model: string, { blocks }: ScannedModel, relatives: readonly Relative[]): string {
  if (relatives.length === 0) return `${model} (${blocks.length} blocks) shares nothing with the catalog`;
  const number = (title: string) => ({ title, isNumber: true });
  return formatTable(
    [
      { title: "relative" },
      number("shared blocks"),
      number("prefix"),
      number("shared bytes"),
      number("shared tensors"),
    ],
    relatives.map((relative) => [
      relative.model,
      `${relative.sharedBlocks}/${relative.blocks}`,
      String(relative.sharedPrefix),
      `${formatBytes(relative.sharedBytes)}/${formatBytes(relative.bytes)}`,
      `${relative.sharedTensors}/${relative.tensors}`,
    ]),
  );
}
