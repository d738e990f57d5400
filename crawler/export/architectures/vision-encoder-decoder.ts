import { z } from "zod";
import { architecture, type Architecture } from "../architecture.ts";

/**
 * Captioners and readers of transformers' VisionEncoderDecoderModel (TrOCR, arXiv 2109.10282; Donut, arXiv 2111.15664):
 * the backbone is the encoder, a model of any type with a configuration of its own.
 * @param architectureOf finds the encoder's architecture by its configuration
 */
export const visionEncoderDecoder = (architectureOf: (config: unknown) => Architecture): Architecture =>
  architecture({
    name: "vision-encoder-decoder",
    modelTypes: ["vision-encoder-decoder"],
    config: z.object({ encoder: z.looseObject({ model_type: z.string().max(200) }) }),
    plan: (root, { encoder }) => architectureOf(encoder).plan(root.at("encoder"), encoder),
  });
