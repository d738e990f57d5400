import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { compareModels, type ModelComparison } from "../../indexer/overlap/compare-models.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { withStoreLease } from "../../indexer/store/store-lease.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, type Command } from "./common.ts";

interface CompareArguments {
  readonly a: string;
  readonly b: string;
}

export const compareCommand: Command<CompareArguments> = {
  command: "compare <a> <b>",
  describe: "which blocks and tensors of two models differ, and by how much",
  builder: (yargs) =>
    yargs
      .positional("a", { type: "string", demandOption: true, describe: "a model of the catalog, by id" })
      .positional("b", { type: "string", demandOption: true, describe: "another one" })
      .example("$0 compare facebook/detr-resnet-50 acme/my-detr", "the base and a fine-tune"),
  async handler({ a, b }, { home, output, signal }) {
    return withStoreLease(home, async () => {
      const reader = await openCatalogReader(home);
      try {
        const comparison = await compareModels(reader, openBlockStore(home), a, b, signal);
        output.json(comparison);
        output.print(describeComparison(comparison));
        return EXIT.done;
      } finally {
        reader.close();
      }
    });
  },
};

function describeComparison({ blocks, tensors }: ModelComparison): string {
  const differing = tensors.filter(({ same }) => same !== true);
  const unread = differing.filter(({ same }) => same === null);
  const shown = differing.filter(({ same }) => same === false);
  const number = (title: string) => ({ title, isNumber: true });
  const figure = (value: number | null) => (value === null ? "" : value.toExponential(2));
  const blockTable = formatTable(
    [number("block"), { title: "name" }, { title: "" }],
    blocks.map(({ position, name, shared, sameGraph }) => [
      String(position),
      name,
      shared ? "shared" : sameGraph ? "other weights" : "other graph",
    ]),
  );
  const tensorTable = formatTable(
    [{ title: "tensor" }, { title: "shape" }, number("max |a-b|"), number("mean |a-b|"), { title: "note" }],
    shown.map((tensor) => [
      tensor.name,
      `[${tensor.shape.join(", ")}]`,
      figure(tensor.maxAbsDiff),
      figure(tensor.meanAbsDiff),
      tensor.note ?? (tensor.in === "both" ? "" : `only in ${tensor.in}`),
    ]),
  );
  return [
    blockTable,
    "",
    ...(shown.length > 0 ? [tensorTable, ""] : []),
    `${blocks.filter(({ shared }) => shared).length} of ${blocks.length} blocks shared; of ${tensors.length} tensors ${tensors.length - differing.length} equal, ${shown.length} different` +
      (unread.length > 0 ? `, ${unread.length} not read (crawl --tensors all reads them)` : ""),
  ].join("\n");
}
