import { PICKLE_ONLY_REASON } from "../crawler/checkpoint/open-checkpoint.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { TensorSelection } from "./plan-reads.ts";

/** What a crawl wants to know of models, and whether it may see what is gated. */
export interface Wanted {
  readonly tensors: TensorSelection;
  readonly metadataOnly: boolean;
  readonly includePickle: boolean;
  /** Every weight file whole, compared with the hub's sha256. */
  readonly verify: boolean;
  readonly hasToken: boolean;
}

/** All models, in place of a family's base. */
export const EVERYTHING = "*";

/**
 * Whether a model that the hub lists has to be read, given what the catalog holds of it. Its commit decides.
 * @param scope the family that is crawled, `*` for all models, null for a model that was asked for by its id
 */
export function needsReading(listed: ListedModel, known: KnownModel | undefined, scope: string | null, wanted: Wanted) {
  if (!known) return true;
  const isClosed = listed.gated !== null && !wanted.hasToken;
  if (known.status === "gated") return !isClosed;
  if (known.revision !== listed.revision) return true;
  const isOutside = known.family === null && scope !== null && scope !== EVERYTHING;
  switch (known.status) {
    case "indexed":
      return isOutside || (listed.gated !== null && known.gated === null) || !hasTensors(known, wanted);
    case "unsupported":
      return wanted.includePickle && known.reason === PICKLE_ONLY_REASON;
    case "metadata": // with a reason: it was found to be no model of the family
      return known.reason === null ? isOutside || !wanted.metadataOnly : scope === EVERYTHING && !wanted.metadataOnly;
    case "failed":
    case "gone":
      return true;
  }
}

/** Whether the catalog has hashes of all tensors that the crawl wants, and of whole files where it wants them. */
export const hasTensors = (known: KnownModel, { tensors, verify }: Wanted): boolean =>
  (tensors === "backbone" || known.allTensors) && (!verify || known.verified);

/** Whether it hangs on a model's tensors and files if it is read again. */
export const needsTensors = ({ tensors, verify }: Wanted): boolean => tensors === "all" || verify;

/** Whether a crawl found, at this revision, that the model is named like those of the family and none of it. */
export const isUnrelated = ({ status, reason, family }: KnownModel): boolean =>
  status === "metadata" && reason !== null && family === null;
