import { architecture, blockReading } from "../architecture.ts";
import { findBackbone } from "../expect-tensor.ts";
import { add } from "../operators/elementwise.ts";
import { addTokenPositions, embedTokens } from "../operators/embed-tokens.ts";
import { bertLayers, embeddingTable, firstTokenFeature, textInput, textNorm, textTowerSchema } from "../text-tower.ts";

/** BERT (arXiv 1810.04805): embeddings of tokens, their types and positions, then layers that normalise last. */
export const bert = architecture({
  name: "bert",
  modelTypes: ["bert"],
  takes: "text",
  config: textTowerSchema,
  plan(root, config) {
    const p = findBackbone(root, ["bert", ""], "embeddings.word_embeddings");
    const embeddings = p.at("embeddings");
    const { hidden_size: width, max_position_embeddings: positions, type_vocab_size: types } = config;
    return {
      input: textInput(positions, ["token_type_ids"]),
      blocks: [
        blockReading("embeddings", 2, "token_type_ids", (g, ids, typeIds) => {
          const words = embedTokens(g, ids, embeddingTable(embeddings, "word_embeddings", width));
          const typed = embedTokens(g, typeIds, embeddingTable(embeddings, "token_type_embeddings", width, types));
          const table = embeddingTable(embeddings, "position_embeddings", width, positions);
          const placed = addTokenPositions(g, add(g, words, typed), table);
          return textNorm(g, placed, embeddings.at("LayerNorm"), config.layer_norm_eps);
        }),
        ...bertLayers(p, config),
      ],
      head: firstTokenFeature,
    };
  },
});
