import { z } from "zod";
import { architecture, block } from "../architecture.ts";
import { findBackbone } from "../expect-tensor.ts";
import { addTokenPositions, embedTokens } from "../operators/embed-tokens.ts";
import {
  checkHeads,
  embeddingTable,
  firstTokenFeature,
  layerCount,
  positionCount,
  textInput,
  textLayers,
  textNorm,
  width,
  type TextLayerNames,
} from "../text-tower.ts";

/** Fixed in transformers' code. */
const EPSILON = 1e-12;

const names: TextLayerNames = {
  projections: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
  output: "attention.out_lin",
  attentionNorm: "sa_layer_norm",
  feedForward: ["ffn.lin1", "ffn.lin2"],
  outputNorm: "output_layer_norm",
};

/** DistilBERT (arXiv 1910.01108): BERT with fewer layers and without token types. */
export const distilBert = architecture({
  name: "distilbert",
  modelTypes: ["distilbert"],
  takes: "text",
  config: z.object({
    dim: width.default(768),
    hidden_dim: width.default(3072),
    n_layers: layerCount.default(6),
    n_heads: width.default(12),
    activation: z.string().max(100).default("gelu"),
    max_position_embeddings: positionCount.default(512),
    pruned_heads: z.record(z.string(), z.array(z.int())).default({}),
  }),
  plan(root, config) {
    const p = findBackbone(root, ["distilbert", ""], "embeddings.word_embeddings");
    const embeddings = p.at("embeddings");
    const positions = config.max_position_embeddings;
    const settings = {
      layers: config.n_layers,
      width: config.dim,
      innerWidth: config.hidden_dim,
      heads: config.n_heads,
      activation: config.activation,
      epsilon: EPSILON,
    };
    return {
      input: textInput(positions, []),
      blocks: [
        block("embeddings", 2, (g, ids) => {
          const words = embedTokens(g, ids, embeddingTable(embeddings, "word_embeddings", config.dim));
          const table = embeddingTable(embeddings, "position_embeddings", config.dim, positions);
          return textNorm(g, addTokenPositions(g, words, table), embeddings.at("LayerNorm"), EPSILON);
        }),
        ...textLayers(p, (index) => `transformer.layer.${index}`, names, checkHeads(settings, config.pruned_heads)),
      ],
      head: firstTokenFeature,
    };
  },
});
