import { resolve } from "node:path";
import type { ArgumentsCamelCase, Argv } from "yargs";
import { InputError } from "../../crawler/errors.ts";
import { openCatalogReader, type CatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import { createHubClient, type HubClient } from "../../crawler/hub/hub-client.ts";
import { loadToken, parseHubUrl } from "../../crawler/hub/hub-settings.ts";
import { startLocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { fetchHubDataSet, type HubDataSetFiles } from "../../search/data/hub-data-set.ts";
import { createOutput, type Output } from "../terminal/output.ts";

/** Options that every command has. */
export interface CommonArguments {
  readonly home: string;
  readonly hub: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
}

/** What a command works with. */
export interface CommandContext {
  readonly home: string;
  readonly hub: string | undefined;
  readonly output: Output;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** Exit codes (docs: README, "Exit codes"). */
export const EXIT = { done: 0, failed: 1, usage: 2, partly: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command: how it is called, and what it does. */
export interface Command<T> {
  /** Its name, and its positional arguments in yargs' notation. */
  readonly command: string;
  readonly describe: string;
  /** Adds its options; what they give is `T`. */
  builder(yargs: Argv<CommonArguments>): unknown;
  /** @throws InputError for wrong usage or input */
  handler(argv: ArgumentsCamelCase<T>, context: CommandContext): Promise<ExitCode>;
}

export const withCommonOptions = (yargs: Argv): Argv<CommonArguments> =>
  yargs
    .option("home", {
      type: "string",
      describe: "folder of catalog, store and caches",
      default: process.env.ALSATIAN_HOME ?? "data/home",
      defaultDescription: "ALSATIAN_HOME, else ./data/home",
    })
    .option("hub", {
      type: "string",
      describe:
        'a hub\'s address, or "sample": the one that ships, offline [default: HF_ENDPOINT, else huggingface.co]',
    })
    .option("json", {
      type: "boolean",
      default: false,
      describe: "print one JSON document, and nothing else, to stdout",
    })
    .option("quiet", { type: "boolean", default: false, describe: "no logs" })
    .option("progress", { type: "boolean", default: true, describe: "progress bars (--no-progress: none)" });

export const createContext = (argv: CommonArguments, signal: AbortSignal): CommandContext => ({
  home: resolve(argv.home),
  hub: argv.hub,
  output: createOutput(argv),
  signal,
});

/** Reads the catalog of a home that may have none yet. @returns null then */
export async function readCatalog<T>(home: string, read: (reader: CatalogReader) => Promise<T>): Promise<T | null> {
  try {
    const reader = await openCatalogReader(home);
    try {
      return await read(reader);
    } finally {
      reader.close();
    }
  } catch (cause) {
    if (cause instanceof InputError) return null;
    throw cause;
  }
}

/** Brings data sets of the hub that `--hub` names onto this disk. */
export const hubFetcher =
  (context: CommandContext) =>
  (id: string): Promise<HubDataSetFiles> =>
    withHub(context, (client) => fetchHubDataSet({ client, id, home: context.home, signal: context.signal }));

/** How long a connection may be silent: `ALSATIAN_STALL_SECONDS`, for lines slower or better than most. Default 30. */
function stallMs(): number {
  const text = process.env.ALSATIAN_STALL_SECONDS ?? "30";
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 3600) return 1000 * seconds;
  throw new InputError(`ALSATIAN_STALL_SECONDS: expected seconds, above 0 and up to 3600, got ${JSON.stringify(text)}`);
}

/** Opens the hub that `--hub` names, and closes it when the work is done. */
export async function withHub<T>(
  { hub, output }: CommandContext,
  work: (client: HubClient) => Promise<T>,
  connections?: number,
): Promise<T> {
  const sample = hub === "sample" ? await startLocalHub({ root: packageFile("data", "sample-hub") }) : null;
  const settings = sample ? { url: sample.url, token: null } : { url: parseHubUrl(hub), token: await loadToken() };
  const client = createHubClient(settings, {
    onWait: (message) => output.log(message),
    stallMs: stallMs(),
    ...(connections !== undefined && { connections }),
  });
  try {
    return await work(client);
  } finally {
    await client.close();
    await sample?.close();
  }
}
