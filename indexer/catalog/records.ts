import type { ListedModel } from "../../crawler/listed-model.ts";
import type { RepositoryFile } from "../../crawler/repository.ts";
import type { ListingState } from "../../crawler/listing-state.ts";
import type { FileTerm } from "../../crawler/xet/file-term.ts";
import type { ListingName } from "./listings.ts";

/** What the catalog knows of a model: `indexed` has its blocks in the store, the others only their listing or a reason. */
export type ModelStatus = "indexed" | "metadata" | "unsupported" | "gated" | "failed" | "gone";

/** A model as one row of `models`. Times are ISO 8601 in UTC; sizes are bytes; counts of parameters are elements. */
export interface ModelRecord {
  readonly modelId: string;
  readonly revision: string;
  /** Full id of the family's base model; the base itself names itself. */
  readonly family: string | null;
  /** The parent that the model's card names. */
  readonly baseModel: string | null;
  readonly architecture: string | null;
  readonly modelType: string | null;
  readonly pipelineTag: string | null;
  readonly library: string | null;
  readonly license: string | null;
  readonly downloads: number | null;
  readonly likes: number | null;
  readonly gated: string | null;
  readonly createdAt: string | null;
  readonly lastModified: string | null;
  /** Elements of all tensors. */
  readonly parameters: number | null;
  /** Bytes of all weight files. */
  readonly bytes: number | null;
  readonly backboneParameters: number | null;
  readonly status: ModelStatus;
  readonly reason: string | null;
}

/**
 * A file of the repository. `verified` names the hash of the hub that its bytes were compared with, all of them; null
 * where they were read in part, or not at all.
 */
export interface FileRecord extends RepositoryFile {
  readonly verified: Verification | null;
}

export type Verification = "sha256";

/**
 * How a tensor's hash is known: its bytes were read and hashed; or they are those of a tensor that was, in a file of the
 * same hash, or in the same chunks of the hub's content-addressed store.
 */
export type Evidence = "hash" | "file" | "xet";

/** `norm` fills slots of a normalisation only; a tensor outside the backbone has no role. */
export type TensorRole = "norm" | "weight";

/** A tensor of the checkpoint. */
export interface TensorRecord {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Null where its bytes were not read. */
  readonly hash: string | null;
  /** Name of the (first) block in the chain that reads it; null outside the backbone. */
  readonly block: string | null;
  readonly role: TensorRole | null;
  /** The slots of that block that it fills, whole or in parts; null outside the backbone. */
  readonly slots: readonly number[] | null;
  /** How `hash` is known; null where it is not. */
  readonly evidence: Evidence | null;
  /** Where its bytes lie; null in rows of older versions. */
  readonly place: TensorPlace | null;
}

/** A tensor's bytes in a file of the repository; `strides` as the headers of torch files have them. */
export interface TensorPlace {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
  readonly strides: readonly number[] | null;
}

/** What fills a slot of a block, in slot order. Slots have no names, so one block in two spellings is one block. */
export interface BlockSlotRecord {
  readonly hash: string;
  readonly role: TensorRole;
}

/** A block in a model's chain. */
export interface BlockRecord {
  /** From 0, without gaps. */
  readonly position: number;
  readonly name: string;
  readonly blockId: string;
  readonly prefixId: string;
  readonly graphHash: string;
  readonly weightsHash: string;
  /** float32 bytes of its weights. */
  readonly bytes: number;
  readonly parameters: number;
  readonly flopsPerItem: number;
  /** Without the batch axis, at this model's input size. */
  readonly outputShape: readonly number[];
  readonly slots: readonly BlockSlotRecord[];
}

/** Everything that a crawl found of a model. */
export interface IndexedModel {
  readonly model: ModelRecord;
  readonly files: readonly FileRecord[];
  /** In checkpoint order. */
  readonly tensors: readonly TensorRecord[];
  /** In chain order. */
  readonly blocks: readonly BlockRecord[];
  /** What weight files are made of, by path, where the hub told. */
  readonly terms?: ReadonlyMap<string, readonly FileTerm[]>;
}

/** What a search needs of a model besides its blocks. All but the hash are JSON texts. */
export interface ModelDetails {
  /** The text of config.json. */
  readonly config: string | null;
  readonly preprocessing: string | null;
  /** The backbone's input. */
  readonly input: string | null;
  /** Graph hash of the head behind the chain, which makes the feature. */
  readonly headGraph: string | null;
}

export type IndexedModelWithDetails = IndexedModel & Partial<ModelDetails>;

/** Facts of a listing that change without a new revision. Fields that are left out stay as they are. */
export interface ModelTouch {
  readonly modelId: string;
  readonly downloads: number | null;
  readonly likes: number | null;
  readonly gated: string | null;
  readonly lastModified: string | null;
}

/** A model of the catalog as lists of candidates show it. */
export interface CatalogModel extends ModelRecord {
  readonly preprocessing: string | null;
  readonly input: string | null;
  readonly headGraph: string | null;
  readonly crawledAt: string | null;
}

/** Everything that the catalog holds of a model. */
export interface CatalogEntry extends IndexedModel {
  readonly model: CatalogModel;
  readonly config: string | null;
}

/** A block in the chain of a model, as the catalog tells it to a search. */
export type ChainBlock = Omit<BlockRecord, "slots" | "parameters">;

export type RunStatus = "running" | "done" | "failed" | "interrupted";

export interface RunRoundRecord {
  readonly round: number;
  readonly models: number;
  /** New training items of the round. */
  readonly items: number;
  readonly seconds: number;
}

export interface RunScoreRecord {
  readonly modelId: string;
  readonly revision: string;
  readonly round: number;
  /** Training items that the score rests on. */
  readonly items: number;
  readonly score: number;
  /** Final rank, on the row of the model's last round; null on earlier ones. */
  readonly rank: number | null;
  readonly tied: boolean;
}

/** A search: what was asked, what it cost and what it found. */
export interface RunRecord {
  readonly runId: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly family: string | null;
  readonly strategy: string;
  readonly proxy: string;
  readonly seed: number;
  readonly device: string;
  readonly dataSet: string;
  readonly itemsTrain: number;
  readonly itemsTest: number;
  readonly models: number;
  readonly status: RunStatus;
  /** JSON texts. */
  readonly args: string | null;
  readonly cost: string | null;
  readonly rounds: readonly RunRoundRecord[];
  readonly scores: readonly RunScoreRecord[];
}

/**
 * How a crawl ended: `partly` when some models failed, `killed` when it never got to say (kill -9, power), which the next
 * crawl notes.
 */
export type CrawlOutcome = "running" | "done" | "partly" | "failed" | "interrupted" | "killed";

/** A line of the log of crawls. */
export interface CrawlRecord {
  readonly crawlId: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly hub: string;
  /** What was asked, as JSON text. */
  readonly args: string;
  readonly outcome: CrawlOutcome;
  /** Why it failed. */
  readonly reason: string | null;
  readonly requests: number;
  readonly retries: number;
  readonly bytes: { readonly downloaded: number; readonly stored: number; readonly logical: number };
  /** Models by what became of them. */
  readonly models: Readonly<Record<CrawlCount, number>>;
  /** Models that are listed and still to be read. */
  readonly waiting: number;
}

/** The counts of a crawl, which are columns of `crawls`. */
export const CRAWL_COUNTS = [
  "listed",
  "indexed",
  "carried",
  "metadata",
  "unchanged",
  "unrelated",
  "unsupported",
  "gated",
  "failed",
  "gone",
] as const;

export type CrawlCount = (typeof CRAWL_COUNTS)[number];

/** What a page of a listing told. */
export interface ListedPage {
  /** Full id of a family's base, or `*` for all models. */
  readonly scope: string;
  /** Models whose revision the catalog has. */
  readonly touched: readonly ModelTouch[];
  /** Models that are new or changed. */
  readonly changed: readonly FrontierModel[];
  readonly name: ListingName;
  /** Where the crawl stands in the listing after it. */
  readonly state: ListingState;
}

/** A model that is listed and still to be read, in the scope of a family's base or of all models (`*`). */
export interface FrontierModel {
  readonly listed: ListedModel;
  readonly family: string | null;
  /** The base that its card names, which has to turn out as one of the family first. */
  readonly waitsFor: string | null;
}
