import type { ExportPlan, InspectedModel } from "../crawler/inspect-model.ts";
import type { Repository } from "../crawler/repository.ts";
import type { FileTerm } from "../crawler/xet/file-term.ts";
import type { EvidenceFinder } from "./evidence/evidence-finder.ts";
import type { StoredModel } from "./model-records.ts";
import type { TensorSelection } from "./plan-reads.ts";
import { storeBackbone } from "./store-backbone.ts";
import type { BlockStore } from "./store/block-store.ts";
import { storeTokenizer } from "./store/store-tokenizer.ts";

/** Files of more terms are not compared with later ones, so that a file in crumbs does not fill the catalog. */
const MAX_KEPT_TERMS = 20_000;

/** Brings a model's blocks into the store, reading only what is not known of it, and tells what it learned of its files. */
export async function storeModel(options: {
  readonly plan: ExportPlan;
  readonly files: InspectedModel["files"];
  readonly repository: Repository;
  /** Null where nothing counts as known. */
  readonly finder: EvidenceFinder | null;
  readonly store: BlockStore;
  readonly tensors: TensorSelection;
  readonly verify: boolean;
  readonly signal: AbortSignal;
}): Promise<StoredModel> {
  const { plan, files, repository, finder, store, tensors, verify, signal } = options;
  const { checkpoint, backbone } = plan;
  const known = await finder?.find(checkpoint, files, backbone, signal);
  const stored = await storeBackbone({
    ...{ repository, checkpoint, backbone, files, store, tensors, verify, signal },
    ...(known && { known }),
  });
  if ("tokenizerJson" in plan.preprocessing) await storeTokenizer(store.folder, plan.preprocessing, signal);
  const terms = new Map<string, readonly FileTerm[]>();
  const verified = new Set<string>();
  for (const file of files.filter(({ path }) => checkpoint.files.includes(path))) {
    const same = await finder?.sameFile(file);
    if (same?.verified) verified.add(file.path);
    if (same) continue; // its terms are in the catalog, and nobody asked for them
    const own = await repository.listTerms?.(file.path, signal);
    if (own && own.length <= MAX_KEPT_TERMS) terms.set(file.path, own);
  }
  return { plan, backbone: stored, terms, verified };
}
