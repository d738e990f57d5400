import { readFile } from "node:fs/promises";
import { z } from "zod";
import { InputError } from "./errors.ts";
import { packageFile } from "./package-file.ts";

/** A family that is known by a short name. */
export interface Family {
  /** The base's name without its org. */
  readonly name: string;
  /** The base model's id. */
  readonly base: string;
  readonly task: string;
  /** Which exporter its base takes; empty where that is not known by name. */
  readonly architecture: string;
}

const schema = z.array(z.object({ name: z.string(), base: z.string(), task: z.string(), architecture: z.string() }));

/** Ids of the hub: letters, digits, `-`, `_`, `.`; an org and a name, 96 characters each at most. */
const MODEL_ID = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
/** A name without an org, as old base models had it on the hub (`bert-base-uncased`). */
const MODEL_NAME = /^[A-Za-z0-9][\w.-]{0,95}$/;

export const isModelId = (text: string): boolean => MODEL_ID.test(text) && !text.includes("..");

export const shortName = (modelId: string): string => modelId.slice(modelId.indexOf("/") + 1);

/** The families that ship with the package, in `data/families.json`. */
export async function loadFamilies(): Promise<readonly Family[]> {
  return schema.parse(JSON.parse(await readFile(packageFile("data", "families.json"), "utf8")));
}

/**
 * The base model that `--family` means: a known short name, or any id of a base model.
 * @throws InputError for a short name that is not known
 */
export function resolveFamily(text: string, known: readonly Family[]): Family {
  const found = known.find((family) => family.name === text || family.base === text);
  if (found) return found;
  if (isModelId(text)) return { name: shortName(text), base: text, task: "", architecture: "" };
  const like = MODEL_NAME.test(text) ? known.filter((family) => resembles(family.name, text)) : [];
  const hint = like.length > 0 ? ` Did you mean ${like.map((family) => family.name).join(", ")}?` : "";
  throw new InputError(
    `unknown family ${JSON.stringify(text)}.${hint} "alsatian families" lists the known ones; any base model's full id (org/name) works too.`,
  );
}

function resembles(a: string, b: string): boolean {
  const key = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  return key(a).includes(key(b)) || key(b).includes(key(a)) || key(a).slice(0, 5) === key(b).slice(0, 5);
}
