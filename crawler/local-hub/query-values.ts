import { badRequest } from "./hub-error.ts";
import type { RepoType } from "./repository.ts";

/** Entries on a page, unless fewer are asked for; more are never given. */
export const MAX_PAGE_ENTRIES = 1000;

/** Fields that callers may choose with `expand`. Some are always empty here, but a client may ask for them. */
const COMMON =
  "author cardData createdAt disabled downloads downloadsAllTime gated gitalyUid lastModified likes private resourceGroup sha siblings tags trendingScore usedStorage xetEnabled";
const EXPANDABLE: Readonly<Record<RepoType, readonly string[]>> = {
  model:
    `${COMMON} baseModels childrenModelCount config gguf inference inferenceProviderMapping library_name mask_token model-index pipeline_tag safetensors securityRepoStatus spaces transformersInfo widgetData`.split(
      " ",
    ),
  dataset: `${COMMON} citation description paperswithcode_id`.split(" "),
};

/** A yes-no parameter. Clients send `true`, `True`, `1` or nothing but the name. */
export function readFlag(params: URLSearchParams, name: string): boolean | undefined {
  const value = params.get(name)?.toLowerCase();
  if (value === undefined) return undefined;
  if (["", "1", "true"].includes(value)) return true;
  if (["0", "false"].includes(value)) return false;
  throw badRequest(`Invalid ${name} parameter, expected true or false`);
}

/** How many entries a page may have. */
export function readLimit(params: URLSearchParams): number {
  const value = params.get("limit");
  if (value === null) return MAX_PAGE_ENTRIES;
  if (!/^\d{1,9}$/.test(value) || Number(value) < 1) throw badRequest("Invalid limit parameter, expected 1 or more");
  return Math.min(Number(value), MAX_PAGE_ENTRIES);
}

/** The fields chosen by `expand=a&expand=b`, also written `expand[]=a`. Undefined if none were. */
export function readExpand(params: URLSearchParams, type: RepoType): readonly string[] | undefined {
  const fields = [...params.getAll("expand"), ...params.getAll("expand[]")];
  const unknown = fields.find((field) => !EXPANDABLE[type].includes(field));
  if (unknown !== undefined) {
    throw badRequest(`Invalid expand parameter "${unknown}", expected one of ${EXPANDABLE[type].join(", ")}`);
  }
  return fields.length === 0 ? undefined : fields;
}
