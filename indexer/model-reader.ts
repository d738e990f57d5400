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
import type { Outcome } from "./crawl-report.ts";
import type { CrawlTally } from "./crawl-tally.ts";
import { inspectedRecords, listedRecords, touchOf } from "./model-records.ts";
import { hasTensors, type Wanted } from "./needs-reading.ts";
import { problemOf, type Problem } from "./problem-of.ts";
import { storeBackbone } from "./store-backbone.ts";
import type { BlockStore } from "./store/block-store.ts";
import { storeTokenizer } from "./store/store-tokenizer.ts";

/** What a model has to look like that is only named like those of a family; asked for when the first one is met. */
export type ExpectedShape = () => Promise<BackboneShape | null>;

export interface ModelReaderOptions {
  readonly client: HubClient;
  readonly catalog: CatalogWriter;
  readonly store: BlockStore;
  readonly wanted: Wanted;
  /** Reads no weights, and counts what it would have read. */
  readonly isDry: boolean;
  readonly tally: CrawlTally;
  readonly signal: AbortSignal;
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

  constructor(options: ModelReaderOptions) {
    this.#options = options;
  }

  /** @throws what is no fault of the model's: a hub that cannot be reached, a limit, a full disk */
  async read({ listed, family, known, shape }: ModelToRead): Promise<void> {
    const { client, catalog, wanted, tally, signal } = this.#options;
    let inspected: InspectedModel | null = null;
    try {
      if (listed.gated !== null && !client.hasToken) throw new HubError("gated", 401, "GatedRepo"); // no need to ask
      const repository = withOneListing(openHubRepository(client, listed.id, listed.revision));
      if (!shape && (await this.#carryOver(repository, listed, family, known))) return;
      inspected = await inspectModel(repository, {
        includePickle: wanted.includePickle,
        signal,
      });
      const stranger = shape && whyUnrelated(inspected, await shape());
      if (stranger !== null) {
        await this.#put(
          inspectedRecords(listed, null, inspected, { status: "metadata", reason: stranger }),
          "unrelated",
        );
        return;
      }
      if (shape && (await this.#carryOver(repository, listed, family, known))) return;
      if (inspected.export instanceof UnsupportedModelError) throw inspected.export;
      if (wanted.metadataOnly) {
        await this.#put(inspectedRecords(listed, family, inspected, { status: "metadata", reason: null }));
      } else if (this.#options.isDry) {
        tally.plan(listed, !known, inspected.export, wanted.tensors);
        // as if it were read; the catalog forgets it in the end
        await catalog.putModel(inspectedRecords(listed, family, inspected, { status: "indexed", reason: null }));
      } else await this.#index(listed, family, inspected, inspected.export, repository);
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
    listed: ListedModel,
    family: string | null,
    known: KnownModel | undefined,
  ): Promise<boolean> {
    const { catalog, wanted, tally, signal } = this.#options;
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

  async #index(
    listed: ListedModel,
    family: string | null,
    inspected: InspectedModel,
    plan: ExportPlan,
    repository: Repository,
  ): Promise<void> {
    const { store, wanted, tally, signal } = this.#options;
    const backbone = await storeBackbone({
      repository,
      checkpoint: plan.checkpoint,
      backbone: plan.backbone,
      store,
      tensors: wanted.tensors,
      signal,
    });
    if ("tokenizerJson" in plan.preprocessing) {
      await storeTokenizer(store.folder, plan.preprocessing, signal);
    }
    for (const block of backbone.blocks) {
      tally.logical += block.bytes;
      if (!block.known) tally.stored += block.bytes;
    }
    const reason = plan.preprocessing.assumed.length > 0 ? plan.preprocessing.assumed.join("; ") : null;
    await this.#put(inspectedRecords(listed, family, inspected, { status: "indexed", reason }, { plan, backbone }));
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

  async #put(records: Parameters<CatalogWriter["putModel"]>[0], outcome?: Outcome): Promise<void> {
    const { catalog, tally } = this.#options;
    await catalog.putModel(records);
    const { modelId, status, reason } = records.model;
    tally.finish(modelId, { status, reason }, outcome ?? status);
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
