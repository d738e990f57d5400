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

type Register = () => Promise<unknown>;

/** Commands in the order of the help text. */
const COMMANDS: Readonly<Record<string, Register>> = {
  crawl: async () => register(parser, (await import("./commands/crawl.ts")).crawlCommand),
  search: async () => register(parser, (await import("./commands/search.ts")).searchCommand),
  overlap: async () => register(parser, (await import("./commands/overlap.ts")).overlapCommand),
  compare: async () => register(parser, (await import("./commands/compare.ts")).compareCommand),
  scan: async () => register(parser, (await import("./commands/scan.ts")).scanCommand),
  sql: async () => register(parser, (await import("./commands/sql.ts")).sqlCommand),
  export: async () => register(parser, (await import("./commands/export.ts")).exportCommand),
  index: async () => register(parser, (await import("./commands/index-store.ts")).indexCommand),
  doctor: async () => register(parser, (await import("./commands/doctor.ts")).doctorCommand),
  families: async () => register(parser, (await import("./commands/families.ts")).familiesCommand),
};

// A command that comes first is loaded alone: a crawl with what a search needs would take 25 MB more.
const [first = ""] = process.argv.slice(2);
const asked = Object.entries(COMMANDS).filter(([name]) => name === first);
for (const [, load] of asked.length > 0 ? asked : Object.entries(COMMANDS)) await load();

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
