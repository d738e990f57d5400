import { openCatalogWriter } from "../../indexer/catalog/catalog-writer.ts";
import { sampleBlock, sampleModel } from "./sample-models.ts";

/**
 * A process to be killed: puts models of new revisions and publishes, for ever. Every row of a revision carries its
 * number, so that a mixture would show. Prints a line a step.
 */
const [home = "", start = "0"] = process.argv.slice(2);
const writer = await openCatalogWriter(home);
for (let step = Number(start); ; step++) {
  const chain = Array.from({ length: 40 }, (_, position) => sampleBlock(`${step}/${position}`));
  await writer.putModel(sampleModel(`org/model-${step % 3}`, chain, { revision: String(step) }));
  process.stdout.write(`put ${step}\n`);
  if (step % 2 === 0) await writer.publish();
  process.stdout.write(`published ${step}\n`);
}
