import { z } from "zod";
import { UnsupportedModelError } from "../errors.ts";
import { block, blockReading, type BackbonePlan, type BlockPlan } from "./architecture.ts";
import { expectLayers } from "./expect-layers.ts";
import { expectTensor } from "./expect-tensor.ts";
import type { TensorRef } from "./graph.ts";
import { activate } from "./operators/activation.ts";
import { attend } from "./operators/attend.ts";
import { add } from "./operators/elementwise.ts";
import { layerNormWith } from "./operators/layer-norm.ts";
import { linear, linearWith } from "./operators/linear.ts";
import { maskBias } from "./operators/mask.ts";
import { takeToken } from "./operators/tokens.ts";
import type { Ops, Value } from "./ops.ts";
import { MAX_LAYERS, type Params } from "./params.ts";

/** Wider than any real model by far. */
const MAX_WIDTH = 1 << 17;
/** In tokens: models of long texts have some 10^5. */
const MAX_POSITIONS = 1 << 20;
/** Texts are cut to so many tokens where the model takes more: the usual length of BERT and its kin. */
export const MAX_TEXT_TOKENS = 512;

export const width = z.int().min(1).max(MAX_WIDTH);
export const layerCount = z.int().min(1).max(MAX_LAYERS);
export const positionCount = z.int().min(1).max(MAX_POSITIONS);

/** What BERT's configuration, and those of models made after it, say of every model. */
export const textTowerSchema = z.object({
  hidden_size: width.default(768),
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: width.default(12),
  intermediate_size: width.default(3072),
  hidden_act: z.string().max(100).default("gelu"),
  max_position_embeddings: positionCount.default(512),
  type_vocab_size: width.default(2),
  layer_norm_eps: z.number().min(0).max(1).default(1e-12),
  position_embedding_type: z.literal("absolute", "only absolute position embeddings are supported").default("absolute"),
  is_decoder: z.literal(false, "decoders are not supported: tokens do not see the ones behind them").default(false),
  pruned_heads: z.record(z.string(), z.array(z.int())).default({}),
});

export type TextTowerConfig = z.output<typeof textTowerSchema>;

/** What a checkpoint calls the parts of a layer. */
export interface TextLayerNames {
  readonly projections: readonly [query: string, key: string, value: string];
  readonly output: string;
  readonly attentionNorm: string;
  readonly feedForward: readonly [up: string, down: string];
  readonly outputNorm: string;
}

export interface TextLayerSettings {
  readonly layers: number;
  readonly width: number;
  readonly innerWidth: number;
  readonly heads: number;
  readonly activation: string;
  readonly epsilon: number;
}

/** transformers' names of a BERT layer. */
const bertLayerNames: TextLayerNames = {
  projections: ["attention.self.query", "attention.self.key", "attention.self.value"],
  output: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  feedForward: ["intermediate.dense", "output.dense"],
  outputNorm: "output.LayerNorm",
};

const bertLayerPath = (index: number): string => `encoder.layer.${index}`;

function bertLayerSettings(config: TextTowerConfig): TextLayerSettings {
  return checkHeads(
    {
      layers: config.num_hidden_layers,
      width: config.hidden_size,
      innerWidth: config.intermediate_size,
      heads: config.num_attention_heads,
      activation: config.hidden_act,
      epsilon: config.layer_norm_eps,
    },
    config.pruned_heads,
  );
}

/** @throws UnsupportedModelError for heads that do not divide the width, or that were pruned away */
export function checkHeads(
  settings: TextLayerSettings,
  pruned: Readonly<Record<string, readonly number[]>>,
): TextLayerSettings {
  if (settings.width % settings.heads !== 0) {
    throw new UnsupportedModelError(
      `config.json: ${settings.heads} attention heads do not divide a width of ${settings.width}`,
    );
  }
  if (Object.values(pruned).some((heads) => heads.length > 0)) {
    throw new UnsupportedModelError("layers with pruned attention heads are not supported");
  }
  return settings;
}

/** Layer norm by its names of today, or by those of TensorFlow (gamma, beta), which transformers renames. */
export function textNorm(g: Ops, x: Value<3>, p: Params, epsilon: number): Value<3> {
  const named = (today: string, before: string): TensorRef => p.tensor(p.has(before) ? before : today, 1);
  return layerNormWith(g, x, named("weight", "gamma"), named("bias", "beta"), epsilon);
}

/** A table of embeddings of the width that config.json says. @param rows where it says how many there are */
export function embeddingTable(p: Params, path: string, features: number, rows?: number): TensorRef {
  const table = p.tensor(`${path}.weight`, 2);
  return expectTensor(p, `${path}.weight`, [rows ?? table.shape[0] ?? 0, features]);
}

/** One block a layer, each with the attention mask as a further input; `path` names the layers below `p`. */
export const textLayers = (
  p: Params,
  path: (index: number) => string,
  names: TextLayerNames,
  settings: TextLayerSettings,
): BlockPlan[] =>
  expectLayers(p, path, settings.layers).map((index) =>
    blockReading(`layer${index}`, 3, "attention_mask", (g, x, mask) =>
      textLayer(g, x, mask, p.at(path(index)), names, settings),
    ),
  );

/** The layers of BERT and of what is spelled like it. @param p below it: `encoder.layer.0`, … */
export const bertLayers = (p: Params, config: TextTowerConfig): BlockPlan[] =>
  textLayers(p, bertLayerPath, bertLayerNames, bertLayerSettings(config));

/** A transformer layer that normalises what it has added (arXiv 1706.03762), as in BERT (arXiv 1810.04805). */
function textLayer(
  g: Ops,
  x: Value<3>,
  mask: Value<2>,
  p: Params,
  { projections: [query, key, value], output, attentionNorm, feedForward: [up, down], outputNorm }: TextLayerNames,
  { heads, epsilon, width: features, innerWidth, activation }: TextLayerSettings,
): Value<3> {
  const qkv = [linear(g, x, p.at(query)), linear(g, x, p.at(key)), linear(g, x, p.at(value))] as const;
  const seen = linear(g, attend(g, qkv, { heads, bias: maskBias(g, mask) }), p.at(output));
  const y = textNorm(g, add(g, x, seen), p.at(attentionNorm), epsilon);
  const weight = expectTensor(p.at(up), "weight", [innerWidth, features]);
  const inner = activate(g, linearWith(g, y, weight, p.at(up).tensor("bias", 1)), activation);
  return textNorm(g, add(g, y, linear(g, inner, p.at(down))), p.at(outputNorm), epsilon);
}

/**
 * A text model's input of at most `positions` tokens.
 * @param names inputs beside ids and mask
 * @param padId where it matters what fills up a text; else any id is as good, because the mask takes it back
 */
export const textInput = (positions: number, names: readonly string[], padId = 0): BackbonePlan["input"] => ({
  kind: "text",
  length: Math.max(1, Math.min(positions, MAX_TEXT_TOKENS)),
  names: ["input_ids", "attention_mask", ...names],
  padId,
});

/** The feature is the first token's: [CLS], <s>. */
export const firstTokenFeature: BlockPlan = block("feature", 3, (g, x) => takeToken(g, x, 0));
