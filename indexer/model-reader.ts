import { UnsupportedModelError } from "../crawler/errors.ts";
import type { HubClient } from "../crawler/hub/hub-client.ts";
import { HubError } from "../crawler/hub/hub-error.ts";
import { openHubRepository } from "../crawler/hub/hub-repository.ts";
import { inspectModel, type ExportPlan, type InspectedModel } from "../crawler/inspect-model.ts";
import type { ListedModel } from "../crawler/listed-model.ts";
import { MAX_CONFIG_BYTES } from "../crawler/parse-json.ts";
import type { Repository } from "../crawler/repository.ts";
import { haveSameContents } from "../crawler/same-contents.ts";
import { whyUnrelated, type BackboneShape } from "./backbone-shape.ts";
import type { CatalogWriter } from "./catalog/catalog-writer.ts";
import type { KnownModel } from "./catalog/known-models.ts";
import type { IndexedModelWithDetails } from "./catalog/records.ts";
import type { Outcome } from "./crawl-report.ts";
import type { CrawlTally } from "./crawl-tally.ts";
import { EvidenceFinder } from "./evidence/evidence-finder.ts";
import { FilesBeingRead } from "./evidence/files-being-read.ts";
import type { KnownTensor } from "./evidence/known-tensor.ts";
import { inspectedRecords, listedRecords, touchOf } from "./model-records.ts";
import { hasTensors, type Wanted } from "./needs-reading.ts";
import { problemOf, type Problem } from "./problem-of.ts";
import { planReads, type ReadPlan } from "./plan-reads.ts";
import type { PutBatch } from "./put-batch.ts";
import { storeModel } from "./store-model.ts";
import type { BlockStore } from "./store/block-store.ts";

/** What a model has to look like that is only named like those of a family; asked for when the first one is met. */
export type ExpectedShape = () => Promise<BackboneShape | null>;

export interface ModelReaderOptions {
  readonly client: HubClient;
  readonly catalog: CatalogWriter;
  readonly puts: PutBatch;
  readonly store: BlockStore;
  readonly wanted: Wanted;
  /** Whether large files are read by the Xet protocol where the hub offers it. */
  readonly xet: boolean;
  /** Reads no weights, and counts what it would have read. */
  readonly isDry: boolean;
  readonly tally: CrawlTally;
}

/** A model to read, with what is known of it. */
export interface ModelToRead {
  readonly listed: ListedModel;
  readonly family: string | null;
  readonly known: KnownModel | undefined;
  /** Null for a model that belongs to the family for certain. */
  readonly shape: ExpectedShape | null;
}

/** Reads single models into the store and the catalog; what goes wrong with one is its row in the catalog. */
export class ModelReader {
  readonly #options: ModelReaderOptions;
  readonly #beingRead = new FilesBeingRead();

  constructor(options: ModelReaderOptions) {
    this.#options = options;
  }

  /**
   * What is found may still wait to be written when this returns.
   * @throws what is no fault of the model's: a hub that cannot be reached, a limit, a full disk
   */
  async read({ listed, family, known, shape }: ModelToRead, signal: AbortSignal): Promise<void> {
    const { client, catalog, wanted, xet, tally } = this.#options;
    let inspected: InspectedModel | null = null;
    try {
      if (listed.gated !== null && !client.hasToken) throw new HubError("gated", 401, "GatedRepo"); // no need to ask
      const repository = withOneListing(
        openHubRepository(client, listed.id, listed.revision, "model", {
          xet,
          onPlain: (path, reason) => tally.notePlain(listed.id, path, reason),
        }),
      );
      if (!shape && (await this.#carryOver(repository, { listed, family, known }, signal))) return;
      const finder = this.#finder(repository);
      inspected = await inspectModel(repository, {
        includePickle: wanted.includePickle,
        signal,
        ...(finder && { knownHeader: (file) => finder.header(file) }),
      });
      const stranger = shape && whyUnrelated(inspected, await shape());
      if (stranger !== null) {
        await this.#put(
          inspectedRecords(listed, null, inspected, { status: "metadata", reason: stranger }),
          "unrelated",
        );
        return;
      }
      if (shape && (await this.#carryOver(repository, { listed, family, known }, signal))) return;
      if (inspected.export instanceof UnsupportedModelError) throw inspected.export;
      if (wanted.metadataOnly) {
        await this.#put(inspectedRecords(listed, family, inspected, { status: "metadata", reason: null }));
      } else if (this.#options.isDry) {
        tally.plan(listed, !known, await this.#planReads(inspected.export, inspected.files, finder, signal));
        // as if it were read; the catalog forgets it in the end
        await catalog.putModel(inspectedRecords(listed, family, inspected, { status: "indexed", reason: null }));
      } else {
        await this.#store(repository, { listed, family }, inspected, inspected.export, signal);
      }
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      const problem = problemOf(cause);
      if (!problem) throw cause;
      await this.#putProblem(listed, family, known, inspected, problem);
    }
  }

  /** Whether all that the catalog holds of the model holds for its new revision too; then it is moved there. */
  async #carryOver(
    repository: Repository,
    { listed, family, known }: Omit<ModelToRead, "shape">,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { catalog, wanted, tally } = this.#options;
    if (known?.status !== "indexed" || !hasTensors(known, wanted)) return false;
    if (listed.gated !== null && known.gated === null) {
      await repository.readFile("config.json", MAX_CONFIG_BYTES, signal); // is it open to this token?
    }
    const before = await catalog.files(listed.id);
    const isSame = known.revision === listed.revision;
    const files = isSame ? before : await repository.listFiles(signal);
    if (!isSame && !haveSameContents(before, files)) return false;
    await catalog.carryOver({ listed, family, files });
    tally.finish(listed.id, { status: "indexed", reason: known.reason }, isSame ? "unchanged" : "carried");
    return true;
  }

  /** Brings the weights into the store and the model into the catalog; of two models with the same file one reads it. */
  async #store(
    repository: Repository,
    { listed, family }: Pick<ModelToRead, "listed" | "family">,
    inspected: InspectedModel,
    plan: ExportPlan,
    signal: AbortSignal,
  ): Promise<void> {
    const { store, tally, wanted } = this.#options;
    const { tensors, verify } = wanted;
    const { files } = inspected;
    const weights = verify ? [] : files.filter(({ path }) => plan.checkpoint.files.includes(path));
    const release = await this.#beingRead.claim(weights, signal);
    let isInCatalog = false;
    try {
      const finder = this.#finder(repository); // a new one: what the header was looked up with has not seen these files
      const stored = await storeModel({ plan, files, repository, finder, store, tensors, verify, signal });
      tally.store(stored.backbone);
      const reason = plan.preprocessing.assumed.length > 0 ? plan.preprocessing.assumed.join("; ") : null;
      await this.#put(inspectedRecords(listed, family, inspected, { status: "indexed", reason }, stored));
      isInCatalog = true;
    } finally {
      release(isInCatalog);
    }
  }

  /**
   * Finds what need not be read; null where every file is to be read whole, or none is: then it could save a header at
   * most, for a look through the catalog's files at every model.
   */
  #finder(repository: Repository): EvidenceFinder | null {
    const { catalog, store, wanted } = this.#options;
    if (wanted.verify || wanted.metadataOnly) return null;
    return new EvidenceFinder({ catalog, store, repository, acceptUnverified: wanted.tensors === "backbone" });
  }

  async #planReads(
    { checkpoint, backbone }: ExportPlan,
    files: InspectedModel["files"],
    finder: EvidenceFinder | null,
    signal: AbortSignal,
  ): Promise<ReadPlan> {
    const { tensors, verify } = this.#options.wanted;
    const known = (await finder?.find(checkpoint, files, backbone, signal)) ?? new Map<string, KnownTensor>();
    return planReads({ checkpoint, backbone, files, tensors, known, verify });
  }

  /** Notes why a model could not be read. What an earlier crawl indexed of it stays, and is what a search finds. */
  async #putProblem(
    listed: ListedModel,
    family: string | null,
    known: KnownModel | undefined,
    inspected: InspectedModel | null,
    { isPassing = false, ...outcome }: Problem,
  ): Promise<void> {
    const { catalog, tally } = this.#options;
    const { status } = outcome;
    if (known?.status === "indexed" && isPassing) {
      tally.finish(listed.id, outcome, "failed"); // it stays in the frontier
    } else if (known && (status === "gated" || status === "gone")) {
      await catalog.setStatus(listed.id, { ...outcome, revision: listed.revision });
      await catalog.touchModels([touchOf(listed)]);
      tally.finish(listed.id, outcome, status);
    } else if (inspected) await this.#put(inspectedRecords(listed, family, inspected, outcome));
    else await this.#put(listedRecords(listed, family, outcome));
  }

  async #put(records: IndexedModelWithDetails, outcome?: Outcome): Promise<void> {
    const { puts, tally } = this.#options;
    const { modelId, status, reason } = records.model;
    await puts.add(records, () => tally.finish(modelId, { status, reason }, outcome ?? status));
  }
}

/** A repository that lists its files once. */
function withOneListing(repository: Repository): Repository {
  const listFiles = once(() => repository.listFiles());
  return { ...repository, listFiles };
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
