import { InputError } from "../../crawler/errors.ts";
import type { CatalogReader } from "../catalog/catalog-reader.ts";
import type { Row } from "../catalog/read-rows.ts";
import { parsePattern, type Pattern } from "./patterns.ts";

/** A fine-tune against its base, over the blocks of its backbone. */
export interface ModelOverlap {
  readonly model: string;
  readonly revision: string;
  readonly blocks: number;
  readonly sharedBlocks: number;
  readonly sharedPrefix: number;
  readonly sharedBytes: number;
  readonly bytes: number;
  readonly pattern: Pattern;
}

/** All fine-tunes of a family. Bytes are of the backbones of the fine-tunes and the base. */
export interface OverlapSummary {
  readonly models: number;
  readonly overlapping: number;
  readonly overlapShare: number;
  readonly patterns: Readonly<Record<Pattern, number>>;
  readonly bytes: number;
  /** With each block counted once. */
  readonly uniqueBytes: number;
}

export interface FamilyOverlap {
  readonly family: string;
  readonly base: string;
  /** By model id. */
  readonly models: readonly ModelOverlap[];
  /** Of the whole family, also when one model is asked for. */
  readonly summary: OverlapSummary;
}

/**
 * Reads how much of their base's backbone the fine-tunes of a family still have.
 * @param family full id of the base, or its name without the org
 * @param options.model only this fine-tune
 * @throws InputError when the family, its base or the model is not indexed
 */
export async function overlapOfFamily(
  reader: CatalogReader,
  family: string,
  { model }: { readonly model?: string } = {},
): Promise<FamilyOverlap> {
  const base = await reader.findFamily(family);
  if (base === undefined)
    throw new InputError(`nothing of family ${family} is indexed yet: run \`alsatian crawl --family ${family}\``);
  const [summary] = await reader.query("SELECT * FROM family_overlap WHERE base = $base", { base });
  if (!summary) throw new InputError(await whyNoBase(reader, base));
  const rows = await reader.query(
    `SELECT * FROM model_overlap WHERE base = $base AND ($model IS NULL OR model_id = $model) ORDER BY model_id`,
    { base, model: model ?? null },
  );
  if (model !== undefined && rows.length === 0)
    throw new InputError(`${model} is not an indexed fine-tune of ${base}; see \`alsatian sql "FROM models"\``);
  return { family: summary.text("family"), base, models: rows.map(parseModel), summary: parseSummary(summary) };
}

async function whyNoBase(reader: CatalogReader, base: string): Promise<string> {
  const entry = await reader.readModel(base);
  const state = entry
    ? `${entry.model.status}${entry.model.reason === null ? "" : `: ${entry.model.reason}`}`
    : "unknown";
  return `the base model ${base} is not indexed (${state}), so its fine-tunes cannot be compared with it`;
}

const parseModel = (row: Row): ModelOverlap => ({
  model: row.text("model"),
  revision: row.text("revision"),
  blocks: row.number("blocks"),
  sharedBlocks: row.number("shared_blocks"),
  sharedPrefix: row.number("shared_prefix"),
  sharedBytes: row.number("shared_bytes"),
  bytes: row.number("bytes"),
  pattern: parsePattern(row.text("pattern")),
});

const parseSummary = (row: Row): OverlapSummary => ({
  models: row.number("models"),
  overlapping: row.number("overlapping"),
  overlapShare: row.maybeNumber("overlap_share") ?? 0,
  patterns: {
    identical: row.number("identical"),
    "norm-only": row.number("norm_only"),
    "first-frozen": row.number("first_frozen"),
    "last-frozen": row.number("last_frozen"),
    scattered: row.number("scattered"),
    none: row.number("none"),
  },
  bytes: row.number("bytes"),
  uniqueBytes: row.number("unique_bytes"),
});
