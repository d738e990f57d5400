import { formatBytes } from "../../crawler/format-bytes.ts";
import { InputError } from "../../crawler/errors.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { openCatalogWriter } from "../../indexer/catalog/catalog-writer.ts";
import { maintainStore } from "../../indexer/maintain-store.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { listLeases } from "../../indexer/store/store-lease.ts";
import { startProgress } from "../terminal/progress.ts";
import { EXIT, type Command } from "./common.ts";

interface IndexArguments {
  readonly family?: string | undefined;
  readonly verify: boolean;
  readonly gc: boolean;
}

export const indexCommand: Command<IndexArguments> = {
  command: "index",
  describe: "check the store, or write its ONNX files anew (after an upgrade)",
  builder: (yargs) =>
    yargs
      .option("family", { type: "string", describe: "only this family's blocks" })
      .option("verify", {
        type: "boolean",
        default: false,
        describe: "hash every stored block and compare with the catalog (crawl --verify checks what the hub sends)",
      })
      .option("gc", { type: "boolean", default: false, describe: "remove blocks that no model needs" })
      .example("$0 index --verify", "damaged blocks are read again by the next crawl")
      .example("$0 index --gc", "after models have changed or gone"),
  async handler({ family, verify, gc }, { home, output, signal }) {
    const reader = await openCatalogReader(home);
    try {
      const base = family === undefined ? undefined : await reader.findFamily(family);
      if (family !== undefined && base === undefined)
        throw new InputError(`nothing of family ${family} is indexed yet`);
      const writer = await openCatalogWriter(home);
      const progress = startProgress(output, "index");
      try {
        const report = await maintainStore({
          writer,
          store: openBlockStore(home),
          leases: () => listLeases(home),
          family: base,
          verify,
          collect: gc,
          signal,
          onBlock: (done, total) => progress.update(done, total, "blocks"),
        });
        await writer.publish();
        progress.stop();
        output.json(report);
        for (const { block, reason, models } of report.damaged) {
          const whose = models.length > 0 ? `of ${models.join(", ")}` : "that no model needs";
          output.print(`damaged: ${block} ${whose}: ${reason}`);
        }
        output.print(
          [
            `${report.blocks} blocks, ${report.damaged.length} damaged`,
            ...(report.unneeded > 0 ? [`${report.unneeded} that no model needs`] : []),
            ...(gc ? [`${report.removed} removed (${formatBytes(report.removedBytes)})`] : []),
            ...(report.deferred > 0 ? [`${report.deferred} kept for commands that run now`] : []),
            ...(report.rewritten > 0 ? [`${report.rewritten} ONNX files written anew`] : []),
          ].join(", "),
        );
        return report.damaged.length > 0 ? EXIT.partly : EXIT.done;
      } finally {
        progress.stop();
        await writer.close();
      }
    } finally {
      reader.close();
    }
  },
};
