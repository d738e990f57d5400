import type { LinearClassifier } from "../../search/proxy/train-linear.ts";

/** softmax(feature · weightsᵀ + bias) of every test item, in float64: [m][classes]. */
export function classProbabilities(
  { weights, bias }: LinearClassifier,
  { test, classes, dim }: { readonly test: Float32Array; readonly classes: number; readonly dim: number },
): number[][] {
  return Array.from({ length: test.length / dim }, (_, i) => {
    const logits = Array.from({ length: classes }, (_, k) => {
      let logit = bias[k] ?? 0;
      for (let j = 0; j < dim; j++) logit += (weights[k * dim + j] ?? 0) * (test[i * dim + j] ?? 0);
      return logit;
    });
    const most = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  });
}
