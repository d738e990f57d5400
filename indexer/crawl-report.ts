import type { CrawlOutcome, CrawlRecord, Evidence } from "./catalog/records.ts";

export type CrawlEvent =
  | { readonly kind: "family"; readonly family: string }
  | { readonly kind: "listed"; readonly models: number }
  | { readonly kind: "plain"; readonly model: string; readonly path: string; readonly reason: string }
  | { readonly kind: "start"; readonly model: string }
  | { readonly kind: "done"; readonly model: string; readonly outcome: Outcome; readonly reason: string | null };

/** What became of a model that a crawl came by; `carried`: it has a new revision with the same weights. */
export type Outcome =
  "indexed" | "carried" | "metadata" | "unchanged" | "unrelated" | "unsupported" | "gated" | "failed" | "gone";

/** What a crawl did; `crawl --json` prints it. */
export interface CrawlReport {
  /** Its line in the catalog's `crawls`. */
  readonly crawl: string;
  readonly outcome: CrawlOutcome;
  readonly families: readonly string[];
  readonly models: CrawlRecord["models"];
  readonly bytes: {
    /** Bytes of files that came over the wire. */
    readonly downloaded: number;
    /** float32 bytes of blocks that the store did not have. */
    readonly stored: number;
    /** float32 bytes of the backbones of all models that were indexed. */
    readonly logical: number;
    /** Bytes of the tensors that were wanted, in the checkpoints' own types, by how their hashes are known. */
    readonly weights: Readonly<Record<Evidence, number>>;
  };
  /** How many large files were read by plain ranges instead of the Xet protocol, by reason. */
  readonly plain: Readonly<Record<string, number>>;
  readonly requests: number;
  /** Requests that were sent again. */
  readonly retries: number;
  readonly seconds: number;
  /** Models that are listed and still to be read, because a limit ended the crawl. */
  readonly waiting: number;
  /** Only of a dry run: what a crawl would read of weights. */
  readonly planned?: PlannedReads;
  readonly failed: readonly { readonly model: string; readonly reason: string }[];
  /** How many models have which reason for not being indexed. */
  readonly reasons: Readonly<Record<string, number>>;
}

export interface PlannedReads {
  readonly models: number;
  readonly requests: number;
  readonly bytes: number;
  /** The first of them, one by one. */
  readonly list: readonly PlannedRead[];
}

export interface PlannedRead {
  readonly model: string;
  readonly revision: string;
  /** Whether the catalog holds another revision of it. */
  readonly isNew: boolean;
  readonly requests: number;
  readonly bytes: number;
}
