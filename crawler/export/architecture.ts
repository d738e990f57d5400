import type { z } from "zod";
import type { Checkpoint } from "../checkpoint/open-checkpoint.ts";
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { inputDims, type Backbone, type Block, type ModelInput, type TensorInfo } from "./graph.ts";
import { furtherInput } from "./infer-graph.ts";
import { Ops, type Value } from "./ops.ts";
import { paramsOf, type Params } from "./params.ts";

/** A block before it is traced: a pure function from the value before it to its own, with the rank that it takes. */
export interface BlockPlan {
  readonly name: string;
  readonly rank: number;
  /** Further inputs of the chain that it reads, by name. */
  readonly reads: readonly string[];
  trace(g: Ops, x: Value<number>, read: readonly Value<number>[]): Value<number>;
}

/** One unit of an architecture. `rank` counts the batch axis: 4 = feature maps, 3 = tokens, 2 = vectors. */
export function block<R extends number>(
  name: string,
  rank: R,
  trace: (g: Ops, x: Value<R>) => Value<number>,
): BlockPlan {
  return { name, rank, reads: [], trace: (g, x) => trace(g, { ...x, rank }) };
}

/** A block that also reads another input of the chain: a text model's attention mask, its token types. */
export function blockReading<R extends number>(
  name: string,
  rank: R,
  input: string,
  trace: (g: Ops, x: Value<R>, read: Value<2>) => Value<number>,
): BlockPlan {
  return {
    name,
    rank,
    reads: [input],
    trace: (g, x, [read = x]) => trace(g, { ...x, rank }, { ...read, rank: 2 }),
  };
}

/** What an architecture file says of one checkpoint. */
export interface BackbonePlan {
  readonly input: ModelInput;
  readonly blocks: readonly BlockPlan[];
  /** Makes the feature vector of the last block's value; reads no weights. */
  readonly head: BlockPlan;
}

/** In pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

/** How the models of some types become chains of blocks. */
export interface Architecture {
  readonly name: string;
  /** Values of `model_type` in config.json; `timm:NAME` for timm's own configurations, where `*` ends a prefix. */
  readonly modelTypes: readonly string[];
  /** What its models take. */
  readonly takes: ModelInput["kind"];
  /**
   * Reads names and shapes, and no weights.
   * @throws UnsupportedModelError for settings that are not covered, CheckpointError when configuration and tensors
   * contradict each other
   * @param size of the pictures that will go in; without it the size that the architecture names
   * @param head takes the place of the architecture's own (a pooling that the repository names)
   */
  build(checkpoint: Checkpoint, config: unknown, size?: PictureSize, head?: BlockPlan): Backbone;
  /** The blocks before they are traced, for a model that contains this one: its names start at `root`. */
  plan(root: Params, config: unknown): BackbonePlan;
}

/** Makes an architecture from a schema of what it needs of config.json and a plan of its blocks. */
export function architecture<Schema extends z.ZodType>(definition: {
  readonly name: string;
  readonly modelTypes: readonly string[];
  /** Default: pictures. */
  readonly takes?: ModelInput["kind"];
  readonly config: Schema;
  plan(root: Params, config: z.output<Schema>): BackbonePlan;
}): Architecture {
  const { name, modelTypes } = definition;
  const plan = (root: Params, json: unknown): BackbonePlan => {
    const config = definition.config.safeParse(withoutNulls(json));
    if (config.success) return definition.plan(root, config.data);
    const [issue] = config.error.issues;
    throw new UnsupportedModelError(`config.json: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
  };
  return {
    name,
    modelTypes,
    takes: definition.takes ?? "image",
    plan,
    build(checkpoint, json, size, head) {
      const planned = plan(paramsOf(checkpoint), json);
      const input = size && planned.input.kind === "image" ? { ...planned.input, ...size } : planned.input;
      return traceBackbone(name, { ...planned, input, head: head ?? planned.head });
    },
  };
}

/** transformers writes `null` for settings that are left to their default; the schemas take them as absent. */
function withoutNulls(json: unknown): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json;
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) => (value === null ? [] : [[key, withoutNulls(value)]])),
  );
}

/**
 * Traces every block over the shapes that follow from the input.
 * @throws CheckpointError naming the block, when a tensor is missing or has the wrong shape
 */
function traceBackbone(architecture: string, plan: BackbonePlan): Backbone {
  let info: TensorInfo = { dims: inputDims(plan.input) };
  const trace = (unit: BlockPlan): Block => {
    if (info.dims.length + 1 !== unit.rank) {
      throw new Error(`${architecture}: block ${unit.name} takes rank ${unit.rank}, got ${info.dims.length + 1}`);
    }
    try {
      const names = plan.input.kind === "text" ? plan.input.names : [];
      const unknown = unit.reads.find((name) => !names.includes(name));
      if (unknown !== undefined) throw new Error(`${architecture}: block ${unit.name} reads ${unknown}, no input`);
      const read = unit.reads.map((name) => [name, furtherInput(info)] as const);
      const g = new Ops([["x", info], ...read]);
      const further = read.map(([, shape], index) => ({ id: index + 1, info: shape, rank: 2 }));
      const output = unit.trace(g, { id: 0, info, rank: unit.rank }, further);
      info = output.info;
      return g.finish(unit.name, output);
    } catch (cause) {
      if (cause instanceof CheckpointError) {
        throw new CheckpointError(`block ${unit.name}: ${cause.message}`, { cause });
      }
      throw cause;
    }
  };
  const blocks = plan.blocks.map(trace);
  return { architecture, input: plan.input, blocks, head: trace(plan.head).graph };
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
