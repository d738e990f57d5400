import { createHash } from "node:crypto";
import { elementCount } from "../../crawler/export/graph.ts";
import { fakeViT } from "./fake-checkpoint.ts";

/** A model of a hub that is made up on demand: nothing of it is kept. */
export interface SyntheticModel {
  readonly id: string;
  readonly sha: string;
  /** ISO time; later indices are newer, changed models newest. */
  readonly lastModified: string;
  readonly tags: readonly string[];
  readonly downloads: number;
}

export interface SyntheticModelsOptions {
  readonly models: number;
  /** Models of one family, its base included. */
  readonly familySize: number;
}

const DAY_0 = Date.UTC(2024, 0, 1);
const MINUTE = 60_000;
const WIDTH = 8;
/** Models of a family whose last layer is their own; the others have the base's backbone and a head of their own. */
const TUNED_EACH = 10;

/**
 * A hub's models by number: model i is member floor(i / families) of family i mod families, and member 0 is its base.
 * All are ViTs small enough that their weights count for nothing: it is requests and rows that are measured.
 */
export class SyntheticModels {
  readonly count: number;
  readonly families: number;
  /** The first so many models have a newer revision. */
  #changed = 0;
  readonly #shapes: readonly (readonly [name: string, shape: readonly number[]])[];
  readonly #header: Uint8Array;
  readonly files: readonly { readonly path: string; readonly size: number; readonly lfs: boolean }[];
  readonly config: Uint8Array;

  constructor({ models, familySize }: SyntheticModelsOptions) {
    this.count = models;
    this.families = Math.max(1, Math.floor(models / familySize));
    const { config, checkpoint } = fakeViT({ width: WIDTH, layers: 2, heads: 2, patch: 4, image: 8 });
    this.config = Buffer.from(JSON.stringify(config));
    const head = ["classifier.weight", [4, WIDTH]] as const;
    this.#shapes = [...[...checkpoint.tensors.values()].map(({ name, shape }) => [name, shape] as const), head];
    let end = 0;
    const entries = this.#shapes.map(([name, shape]) => {
      const begin = end;
      end += 4 * elementCount(shape);
      return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
    });
    const text = JSON.stringify(Object.fromEntries(entries));
    const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.byteLength));
    this.#header = Buffer.concat([length, json]);
    this.files = [
      { path: "config.json", size: this.config.byteLength, lfs: false },
      { path: "model.safetensors", size: this.#header.byteLength + end, lfs: true },
    ];
  }

  change(models: number): void {
    this.#changed = models;
  }

  base(family: number): string {
    return `base/synthetic-${family}-`;
  }

  get(index: number): SyntheticModel {
    const family = index % this.families;
    const member = Math.floor(index / this.families);
    const isChanged = index < this.#changed;
    const base = this.base(family);
    const id = member === 0 ? base : `user-${member % 100}/synthetic-${family}-tuned-${member}`;
    return {
      id,
      sha: createHash("sha1").update(`${id} ${isChanged}`).digest("hex"),
      lastModified: new Date(DAY_0 + (index + (isChanged ? this.count : 0)) * MINUTE).toISOString(),
      tags: member === 0 ? ["vit"] : ["vit", `base_model:${base}`, `base_model:finetune:${base}`],
      downloads: this.count - index,
    };
  }

  /** @returns the number of a model, or undefined where there is none of that id */
  find(id: string): number | undefined {
    const [, family, member = "0"] = /^[\w-]+\/synthetic-(\d+)-(?:tuned-(\d+))?$/.exec(id) ?? [];
    const index = Number(member) * this.families + Number(family);
    return family !== undefined && index < this.count && this.get(index).id === id ? index : undefined;
  }

  /** Bytes of the weight file: the base's, but for the head, and for some the last layer. */
  weights(index: number): Uint8Array {
    const family = index % this.families;
    const member = Math.floor(index / this.families);
    const isTuned = member % TUNED_EACH === 1;
    const parts = this.#shapes.map(([name, shape], tensor) => {
      const isOwn = name.startsWith("classifier.") || (isTuned && name.includes(".layer.1."));
      const seed = (isOwn ? this.families + index : family) * 64 + tensor;
      return Float32Array.from({ length: elementCount(shape) }, (_, at) => Math.sin(seed + 0.37 * at));
    });
    return Buffer.concat([this.#header, ...parts.map(({ buffer }) => Buffer.from(buffer))]);
  }
}
