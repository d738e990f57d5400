import { z } from "zod";
import { architecture, block } from "../architecture.ts";
import { findBackbone } from "../expect-tensor.ts";
import { add } from "../operators/elementwise.ts";
import { embedPositionsPastPadding, embedTokens } from "../operators/embed-tokens.ts";
import { shift } from "../operators/shift.ts";
import { bertLayers, embeddingTable, firstTokenFeature, textInput, textNorm, textTowerSchema } from "../text-tower.ts";

/**
 * RoBERTa (arXiv 1907.11692) and its multilingual and French kin: BERT with positions that leave padding out, and one
 * type for all tokens, which its tokenizers do not name.
 */
export const roberta = architecture({
  name: "roberta",
  modelTypes: ["roberta", "xlm-roberta", "camembert"],
  takes: "text",
  config: textTowerSchema.extend({ pad_token_id: z.int().min(0).max(1_000_000).default(1) }),
  plan(root, config) {
    const p = findBackbone(root, ["roberta", ""], "embeddings.word_embeddings");
    const embeddings = p.at("embeddings");
    const { hidden_size: width, max_position_embeddings: positions, pad_token_id: padding } = config;
    return {
      input: textInput(positions - padding - 1, [], padding),
      blocks: [
        block("embeddings", 2, (g, ids) => {
          const words = embedTokens(g, ids, embeddingTable(embeddings, "word_embeddings", width));
          const types = embeddingTable(embeddings, "token_type_embeddings", width, config.type_vocab_size);
          const typed = shift(g, words, { ...types, shape: [width] });
          const table = embeddingTable(embeddings, "position_embeddings", width, positions);
          const placed = add(g, typed, embedPositionsPastPadding(g, ids, table, padding));
          return textNorm(g, placed, embeddings.at("LayerNorm"), config.layer_norm_eps);
        }),
        ...bertLayers(p, config),
      ],
      head: firstTokenFeature,
    };
  },
});
