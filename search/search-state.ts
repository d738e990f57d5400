import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { PRECISIONS } from "../crawler/export/precision.ts";
import { InputError } from "../crawler/errors.ts";
import { writeDurably } from "../indexer/store/durable-file.ts";
import type { ScoredModel } from "./rank.ts";
import { STRATEGIES } from "./strategy.ts";

/** What a search has found after some of its rounds. */
export interface SearchState {
  readonly rounds: readonly {
    readonly round: number;
    readonly models: number;
    readonly items: number;
    readonly seconds: number;
  }[];
  readonly scores: readonly ScoredModel[];
  readonly failed: readonly { readonly model: string; readonly reason: string }[];
}

/** A search that can be gone on with: what was asked, and how far it came. Kept in `<home>/runs/<run>.json`. */
export interface SavedSearch {
  readonly run: string;
  readonly startedAt: string;
  /** The arguments of the command, as it was called. */
  readonly args: Readonly<Record<string, unknown>>;
  /** The candidates at the start, so that a crawl in between changes nothing. */
  readonly candidates: readonly { readonly model: string; readonly revision: string }[];
  /** Names the data set's contents. */
  readonly dataSet: string;
  readonly state: SearchState;
}

const score = z.object({
  model: z.string(),
  revision: z.string(),
  score: z.number(),
  round: z.number(),
  items: z.number(),
});
const schema = z.object({
  run: z.string(),
  startedAt: z.string(),
  args: z.record(z.string(), z.unknown()),
  candidates: z.array(z.object({ model: z.string(), revision: z.string() })),
  dataSet: z.string(),
  state: z.object({
    rounds: z.array(z.object({ round: z.number(), models: z.number(), items: z.number(), seconds: z.number() })),
    scores: z.array(score),
    failed: z.array(z.object({ model: z.string(), reason: z.string() })),
  }),
});

/** What a saved search was asked, as its scores depend on it. */
const argsSchema = z.object({
  data: z.string().optional(),
  test: z.string().optional(),
  strategy: z.enum(STRATEGIES),
  proxy: z.string(),
  top: z.number(),
  seed: z.number(),
  rounds: z.number().optional(),
  imageSize: z.number().optional(),
  precision: z.enum(PRECISIONS).default("fp32"),
  skipBadItems: z.boolean().default(false),
  columns: z.object({ image: z.string(), text: z.string(), label: z.string(), split: z.string() }).partial().optional(),
});

export const settingsOf = ({ args }: SavedSearch) => {
  const settings = argsSchema.parse(args);
  return { ...settings, rounds: settings.rounds, imageSize: settings.imageSize };
};

const pathOf = (home: string, run: string): string => join(home, "runs", `${run}.json`);

export const saveSearch = (home: string, search: SavedSearch): Promise<void> =>
  writeDurably(pathOf(home, search.run), JSON.stringify(search));

/** @throws InputError when the home has no such run */
export async function loadSearch(home: string, run: string): Promise<SavedSearch> {
  if (!/^[\w-]{1,64}$/.test(run)) throw new InputError(`${JSON.stringify(run)} is not the id of a run`);
  const text = await readFile(pathOf(home, run), "utf8").catch((cause: unknown) => {
    throw new InputError(`no run ${run} in ${join(home, "runs")}`, { cause });
  });
  return schema.parse(JSON.parse(text));
}
