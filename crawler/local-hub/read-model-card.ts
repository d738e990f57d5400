import { parseDocument } from "yaml";
import { z } from "zod";

/** Front matter longer than this is not read. The longest on the Hub (many evaluation results) are about 1 MB. */
export const MAX_FRONT_MATTER_CHARS = 2_000_000;

/** Aliases that a card may expand. Real cards use none or a few; without a bound some hundred bytes fill the memory. */
const MAX_ALIASES = 100;

const FRONT_MATTER = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/;

const cardSchema = z.record(z.string(), z.unknown());

export type ModelCard = Readonly<Record<string, unknown>>;

/**
 * The YAML front matter of a README as plain data. A card without front matter, or with one that cannot be read, has no
 * data, as on the Hub: a broken card never makes a repository unreadable.
 */
export function readModelCard(readme: string): ModelCard | undefined {
  const text = FRONT_MATTER.exec(readme.slice(0, MAX_FRONT_MATTER_CHARS))?.[1];
  if (text === undefined) return undefined;
  try {
    const document = parseDocument(text, { schema: "core", logLevel: "silent" });
    if (document.errors.length > 0) return undefined;
    return cardSchema.safeParse(document.toJS({ maxAliasCount: MAX_ALIASES })).data;
  } catch {
    return undefined; // too many aliases
  }
}

/** A field that may hold one string or a list of them. */
export function strings(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === "string" && item !== "");
}
