import { once } from "node:events";
import { InputError } from "../../crawler/errors.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { formatRows, ROW_FORMATS, type RowFormat } from "../../indexer/catalog/format-rows.ts";
import { runSql } from "../../indexer/catalog/run-sql.ts";
import { EXIT, type Command } from "./common.ts";

interface SqlArguments {
  readonly statement: string;
  readonly format?: RowFormat | undefined;
}

export const sqlCommand: Command<SqlArguments> = {
  command: "sql <statement>",
  describe: "run a query on the catalog, read-only",
  builder: (yargs) =>
    yargs
      .positional("statement", { type: "string", demandOption: true, describe: "SQL of DuckDB" })
      .option("format", { choices: ROW_FORMATS, describe: "how rows are printed [default: table]" })
      .example('$0 sql "FROM family_overlap"', "what fine-tuning changes, a row a family")
      .example('$0 sql "SELECT pattern, count(*) FROM model_overlap GROUP BY ALL"', "how often each pattern occurs")
      .example('$0 sql "FROM blocks" --format parquet > blocks.parquet', "a table for other tools"),
  async handler({ statement, format }, { home, output, signal }) {
    if (output.isJson && format !== undefined && format !== "json") {
      throw new InputError(`--json and --format ${format} contradict each other`);
    }
    const chosen = format ?? (output.isJson ? "json" : "table");
    if (chosen === "parquet" && process.stdout.isTTY) throw new InputError("parquet is binary: redirect it to a file");
    const reader = await openCatalogReader(home);
    try {
      const result = await runSql(reader, statement, signal);
      const width = process.stdout.isTTY ? process.stdout.columns : undefined;
      for await (const part of formatRows(result, chosen, width)) {
        if (!process.stdout.write(part)) await once(process.stdout, "drain");
      }
      return EXIT.done;
    } finally {
      reader.close();
    }
  },
};
