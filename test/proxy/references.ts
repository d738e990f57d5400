import { readFileSync } from "node:fs";
import { z } from "zod";

const referenceSchema = z.object({
  spec: z.object({
    name: z.string(),
    seed: z.number(),
    train: z.number(),
    test: z.number(),
    dim: z.number(),
    classes: z.number(),
    latent: z.number(),
    separation: z.number(),
    noise: z.number(),
    unbalanced: z.boolean().optional(),
    constant: z.array(z.number()).optional(),
    missing: z.number().optional(),
  }),
  /** Sum of all features. */
  checksum: z.number(),
  linear: z.object({ objective: z.number(), correct: z.number(), probabilities: z.array(z.array(z.number())) }),
  knn: z.object({ correct: z.number() }),
  hscore: z.number(),
  logme: z.number(),
});

export type ProxyReference = z.infer<typeof referenceSchema>;

/** What scikit-learn and float64 numpy say about synthetic data sets; `source` in the file has the details. */
export const proxyReferences: readonly ProxyReference[] = z
  .object({ source: z.string(), sets: z.array(referenceSchema) })
  .parse(JSON.parse(readFileSync(new URL("../../../test/proxy/references.json", import.meta.url), "utf8"))).sets;
