import { checkItems } from "./check-input.ts";
import type { MatrixEngine } from "./matrix-engine.ts";
import type { Proxy, ProxyInput, ProxyScore } from "./proxy.ts";
import { trainLinear, type LinearClassifier } from "./train-linear.ts";

/** Test accuracy of a linear classifier on the features; see `trainLinear`. */
export function linearProxy(engine: MatrixEngine): Proxy {
  return {
    name: "linear",
    async score(input) {
      checkItems("test", input.test, input.testLabels, input.classes, input.dim);
      const classifier = await trainLinear(input, { engine, signal: input.signal });
      return scoreLinear(engine, classifier, input);
    },
  };
}

/** Accuracy of a trained classifier on test items. Of equal logits, the class with the smaller index is predicted. */
export async function scoreLinear(
  engine: MatrixEngine,
  { weights, bias }: LinearClassifier,
  { test, testLabels, classes, dim }: Pick<ProxyInput, "test" | "testLabels" | "classes" | "dim">,
): Promise<ProxyScore> {
  const items = testLabels.length;
  if (items === 0) return { score: 0, correct: 0, items };
  const logits = await engine.multiply(
    { data: test, rows: items, cols: dim },
    { data: weights, rows: classes, cols: dim },
    { transposeB: true },
  );
  let correct = 0;
  for (let i = 0; i < items; i++) {
    let best = 0;
    let most = -Infinity;
    for (let k = 0; k < classes; k++) {
      const logit = (logits.data[i * classes + k] ?? 0) + (bias[k] ?? 0);
      if (logit > most) {
        most = logit;
        best = k;
      }
    }
    if (best === testLabels[i]) correct++;
  }
  return { score: correct / items, correct, items };
}
