import { openCatalogWriter } from "../../indexer/catalog/catalog-writer.ts";

/** A process to run under limits: publishes the catalog, and tells how that went. */
const writer = await openCatalogWriter(process.argv[2] ?? "");
await writer.publish().then(
  () => process.stdout.write("published\n"),
  (cause: unknown) => process.stdout.write(`refused: ${String(cause)}\n`),
);
