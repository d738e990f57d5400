import { checkFinite, checkShape } from "./check-input.ts";
import type { MatrixEngine } from "./matrix-engine.ts";
import type { Proxy, ProxyInput, ProxyScore } from "./proxy.ts";
import { trainLinearTogether, type LinearClassifier } from "./train-linear.ts";

/** Test accuracy of a linear classifier on the features; see `trainLinear`. */
export function linearProxy(engine: MatrixEngine): Proxy {
  const scoreTogether = async (inputs: readonly ProxyInput[]): Promise<ProxyScore[]> => {
    const [first] = inputs;
    if (!first) return [];
    for (const { test, testLabels, classes, dim } of inputs) checkShape("test", test, testLabels, classes, dim);
    const trains = inputs.map(({ train }) => train);
    const classifiers = await trainLinearTogether({ ...first, trains }, { engine, signal: first.signal });
    const scores: ProxyScore[] = [];
    for (const [model, input] of inputs.entries()) {
      const classifier = classifiers[model];
      if (classifier) scores.push(await scoreLinear(engine, classifier, input));
    }
    return scores;
  };
  return {
    name: "linear",
    scoreTogether,
    async score(input) {
      const [score] = await scoreTogether([input]);
      if (!score) throw new Error("nothing was scored");
      return score;
    },
  };
}

/**
 * Accuracy of a trained classifier on test items. Of equal logits, the class with the smaller index is predicted.
 * @throws FeatureError when a feature is not finite
 */
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
  // a feature that is not finite leaves no finite logit
  if (!logits.data.every(Number.isFinite)) checkFinite("test", test, dim);
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
