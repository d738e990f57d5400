#!/usr/bin/env node
import "./native-memory.ts";
import yargs, { type Argv } from "yargs";
import { InputError } from "../crawler/errors.ts";
import {
  createContext,
  EXIT,
  withCommonOptions,
  type Command,
  type CommonArguments,
  type ExitCode,
} from "./commands/common.ts";
import { crawlCommand } from "./commands/crawl.ts";
import { compareCommand } from "./commands/compare.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { exportCommand } from "./commands/export.ts";
import { familiesCommand } from "./commands/families.ts";
import { indexCommand } from "./commands/index-store.ts";
import { overlapCommand } from "./commands/overlap.ts";
import { scanCommand } from "./commands/scan.ts";
import { searchCommand } from "./commands/search.ts";
import { sqlCommand } from "./commands/sql.ts";
import { printableLines as printable } from "./terminal/output.ts";

/** The `alsatian` command: parses arguments, runs one command, and turns what happened into an exit code. */

const interrupt = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted); // asked twice: at once
    process.stderr.write("\ninterrupted: finishing what must be whole (again to stop at once)\n");
    interrupt.abort(new Error("interrupted"));
  });
}

let exitCode: ExitCode = EXIT.done;

const register = <T>(parser: Argv<CommonArguments>, { command, describe, builder, handler }: Command<T>) =>
  parser.command<T>(command, describe, builder as (yargs: Argv<CommonArguments>) => Argv<T>, async (argv) => {
    exitCode = await handler(argv, createContext(argv as unknown as CommonArguments, interrupt.signal));
  });

const parser = withCommonOptions(yargs(process.argv.slice(2)))
  .scriptName("alsatian")
  .usage("$0 <command>\n\nWhich of these pre-trained models should I start from, for my data?")
  .demandCommand(1, "name a command")
  .strict()
  .strictCommands()
  .recommendCommands()
  .wrap(Math.min(110, process.stdout.columns || 110))
  .epilogue("Exit codes: 0 done; 1 failed; 2 wrong usage or input; 3 done, but some models failed; 130 interrupted.")
  .fail((message, error: Error | undefined) => {
    throw error ?? new InputError(`${message}\nSee "alsatian --help".`);
  });
register(parser, crawlCommand);
register(parser, searchCommand);
register(parser, overlapCommand);
register(parser, compareCommand);
register(parser, scanCommand);
register(parser, sqlCommand);
register(parser, exportCommand);
register(parser, indexCommand);
register(parser, doctorCommand);
register(parser, familiesCommand);

try {
  await parser.parseAsync();
} catch (cause) {
  exitCode = report(cause);
}
// what was printed to a pipe leaves before the process does
await new Promise((resolve) => process.stdout.write("", resolve));
process.exit(exitCode);

function report(cause: unknown): ExitCode {
  if (interrupt.signal.aborted) return EXIT.interrupted;
  if (cause instanceof InputError) {
    process.stderr.write(`${printable(cause.message)}\n`);
    return EXIT.usage;
  }
  const error = cause instanceof Error ? cause : new Error(String(cause));
  process.stderr.write(
    `alsatian failed: ${printable(process.env.ALSATIAN_DEBUG ? (error.stack ?? "") : error.message)}\n`,
  );
  return EXIT.failed;
}
