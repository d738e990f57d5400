import { checkFinite, checkShape, checkTraining } from "./check-input.ts";
import type { Matrix, MatrixEngine } from "./matrix-engine.ts";
import type { Proxy, ProxyInput, ProxyScore } from "./proxy.ts";
import { fitStandardizer, standardize } from "./standardize.ts";

/**
 * Neighbours that vote. 5 is scikit-learn's default; 1, as in Renggli et al., "Which Model to Transfer?" (arXiv
 * 2010.06402), is noisier, and 20, as in DINO (arXiv 2104.14294), is more than a class has in the first rounds.
 */
export const NEIGHBOURS = 5;
/** Similarities that are in memory at a time: 16 MiB of float32. */
const MAX_SIMILARITIES = 1 << 22;

/**
 * Test accuracy of a k-nearest-neighbour vote, by cosine similarity of features standardised on the training items. Every
 * neighbour has one vote. Of equally similar items the one with the smaller index is nearer; of equally many votes the
 * class with the smaller index wins.
 */
export function knnProxy(engine: MatrixEngine): Proxy {
  return { name: "knn", score: (input) => scoreKnn(engine, input) };
}

async function scoreKnn(engine: MatrixEngine, input: ProxyInput): Promise<ProxyScore> {
  checkTraining(input);
  const { train, trainLabels, test, testLabels, classes, dim, signal } = input;
  checkShape("test", test, testLabels, classes, dim);
  checkFinite("test", test, dim);
  const items = testLabels.length;
  if (items === 0) return { score: 0, correct: 0, items };
  const features: Matrix = { data: train, rows: trainLabels.length, cols: dim };
  const standardizer = fitStandardizer(features);
  const known = normalizeRows(standardize(features, standardizer));
  const chunk = Math.max(1, Math.floor(MAX_SIMILARITIES / known.rows));
  let correct = 0;
  for (let start = 0; start < items; start += chunk) {
    signal?.throwIfAborted();
    const rows = Math.min(chunk, items - start);
    const asked = { data: test.subarray(start * dim, (start + rows) * dim), rows, cols: dim };
    // Lengths of the asked items do not change the order of their neighbours.
    const similarities = await engine.multiply(standardize(asked, standardizer), known, { transposeB: true });
    for (let i = 0; i < rows; i++) {
      const row = similarities.data.subarray(i * known.rows, (i + 1) * known.rows);
      if (vote(nearest(row, NEIGHBOURS), trainLabels, classes) === testLabels[start + i]) correct++;
    }
  }
  return { score: correct / items, correct, items };
}

/** Rows scaled to length 1, in place; a row of zeros stays. */
function normalizeRows(matrix: Matrix): Matrix {
  const { data, rows, cols } = matrix;
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    let squares = 0;
    for (const value of row) squares += value * value;
    const factor = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let j = 0; j < cols; j++) row[j] = (row[j] ?? 0) * factor;
  }
  return matrix;
}

/** Indices of the k largest values, the smaller index first among equals. */
function nearest(similarities: Float32Array, k: number): number[] {
  const found: number[] = [];
  const value = (index: number | undefined) => (index === undefined ? -Infinity : (similarities[index] ?? -Infinity));
  let least = -Infinity;
  for (let j = 0; j < similarities.length; j++) {
    const similarity = similarities[j] ?? 0;
    if (found.length === k && similarity <= least) continue;
    let at = found.length;
    while (at > 0 && similarity > value(found[at - 1])) at--;
    found.splice(at, 0, j);
    if (found.length > k) found.pop();
    least = value(found.at(-1));
  }
  return found;
}

function vote(neighbours: readonly number[], labels: Int32Array, classes: number): number {
  const votes = new Int32Array(classes);
  for (const neighbour of neighbours) {
    const label = labels[neighbour] ?? 0;
    votes[label] = (votes[label] ?? 0) + 1;
  }
  return votes.indexOf(votes.reduce((most, count) => Math.max(most, count), 0));
}
