import { InputError } from "../../crawler/errors.ts";
import { shortName, type Family } from "../../crawler/families.ts";
import { openCatalogReader } from "../../indexer/catalog/catalog-reader.ts";
import type { BlockStore } from "../../indexer/store/block-store.ts";
import { loadCandidates, type ItemKind } from "../../search/load-candidates.ts";
import type { SavedSearch } from "../../search/search-state.ts";
import { readCatalog, type CommandContext } from "./common.ts";
import { CRAWL_DEFAULTS, describeReport, readModelList, runCrawl } from "./crawl.ts";

/** Which models a search is about. */
export interface Choice {
  readonly families: readonly Family[];
  /** A file with ids. */
  readonly list: string | undefined;
  /** A condition on the catalog's models. */
  readonly where: string | undefined;
  readonly imageSize: number | undefined;
  /** The search that is gone on with. */
  readonly saved: SavedSearch | undefined;
}

/**
 * Loads the candidates of a choice from the catalog; families of which the home holds nothing are crawled first.
 * @throws InputError when nothing is chosen, or nothing of it can take part
 */
export async function chooseCandidates(choice: Choice, kind: ItemKind, store: BlockStore, context: CommandContext) {
  const { families, list, where, imageSize, saved } = choice;
  const models =
    saved?.candidates.map(({ model }) => model) ?? (list === undefined ? undefined : await readModelList(list));
  const reader = await openCatalogReader(context.home);
  try {
    const listed = await reader.listModels({
      ...(families.length > 0 && { families: families.map(({ base }) => base) }),
      ...(models !== undefined && { modelIds: models }),
      ...(where !== undefined && { where }),
    });
    const missing = models?.find((id) => !listed.some(({ modelId }) => modelId === id));
    if (missing !== undefined) {
      throw new InputError(`the catalog has no model ${missing}; crawl it first: alsatian crawl --model ${missing}`);
    }
    const changed = saved?.candidates.find(({ model, revision }) =>
      listed.some(({ modelId, revision: now }) => modelId === model && now !== revision),
    );
    if (changed) throw new InputError(`${changed.model} has changed since run ${saved?.run ?? ""}; search again`);
    const indexed = listed.filter(({ status }) => status === "indexed");
    const loaded = await loadCandidates(reader, store, indexed, kind, imageSize);
    if (loaded.candidates.length > 0) return loaded;
    const [why] = loaded.failed;
    throw new InputError(
      why ? `no candidate can take part: ${why.model}: ${why.reason}` : "no candidate of that choice is indexed",
    );
  } finally {
    reader.close();
  }
}

/**
 * A family of which the home holds nothing is crawled first.
 * @param before waited for before a crawl, which may take long: what would make the search fail afterwards
 */
export async function crawlWhatIsMissing(
  families: readonly Family[],
  context: CommandContext,
  before: () => Promise<unknown>,
): Promise<void> {
  for (const family of families) {
    if (await holdsAny(family, context.home)) continue;
    await before();
    context.output.log(`nothing of ${shortName(family.base)} is indexed in ${context.home} yet: crawling it first`);
    const report = await runCrawl({ ...CRAWL_DEFAULTS, family: [family.base] }, context);
    for (const line of describeReport(report)) context.output.log(line);
  }
}

const holdsAny = async (family: Family, home: string): Promise<boolean> =>
  (await readCatalog(home, async (reader) => {
    return (await reader.listModels({ families: [family.base], status: "indexed" })).length > 0;
  })) ?? false;
