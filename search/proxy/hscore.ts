import { checkTraining } from "./check-input.ts";
import { cholesky, choleskySolve } from "./cholesky.ts";
import type { Matrix, MatrixEngine } from "./matrix-engine.ts";
import type { Proxy, ProxyInput, ProxyScore } from "./proxy.ts";
import { fitStandardizer, standardize } from "./standardize.ts";
import { transpose } from "./transpose.ts";

/**
 * Regularised H-score: trace(Σ⁻¹ (1 - α) Σ_between), how much of the features' variance the classes explain. H-score is
 * of Bao et al., "An Information-Theoretic Approach to Transferability in Task Transfer Learning" (ICIP 2019); Σ with
 * Ledoit and Wolf's shrinkage α is of Ibrahim et al., "Newer is not always better" (arXiv 2110.06893). From 0 to
 * classes - 1, without unit; higher is better. Reads the training items only. Covariances are divided by n.
 */
export function hscoreProxy(engine: MatrixEngine): Proxy {
  return { name: "hscore", score: (input) => scoreH(engine, input) };
}

async function scoreH(engine: MatrixEngine, input: ProxyInput): Promise<ProxyScore> {
  checkTraining(input);
  const { train, trainLabels, classes, dim, signal } = input;
  const items = trainLabels.length;
  const raw: Matrix = { data: train, rows: items, cols: dim };
  const { mean } = fitStandardizer(raw);
  const x = standardize(raw, { mean, scale: new Float64Array(dim).fill(1) });
  const dual = items < dim;
  const size = dual ? items : dim;
  const gram = await engine.gram(dual ? x : transpose(x)); // X Xᵀ or Xᵀ X, whichever is smaller
  signal?.throwIfAborted();

  const { shrinkage, mu } = ledoitWolf(x, gram);
  if (mu === 0) return { score: 0, items }; // all features are constant
  // Σ = (1 - α) XᵀX / n + α mu I. The last term also keeps the factorisation above the rounding of float32 features.
  const a = (1 - shrinkage) / items;
  const b = Math.max(shrinkage, MIN_SHRINKAGE) * mu;
  const sigma = gram.map((value) => a * value);
  for (let i = 0; i < size; i++) sigma[i * size + i] = (sigma[i * size + i] ?? 0) + b;
  cholesky(sigma, size);
  let score = 0;
  for (let label = 0; label < classes; label++) {
    const members = Array.from(trainLabels.keys()).filter((i) => trainLabels[i] === label);
    if (members.length === 0) continue;
    // Σ_between = Σ_classes m mᵀ with m = Xᵀ u; in the dual mᵀ Σ⁻¹ m = (K u)ᵀ (a K + b I)⁻¹ u.
    const weight = 1 / Math.sqrt(members.length * items);
    const left = new Float64Array(size);
    const right = new Float64Array(size);
    for (const i of members) {
      if (dual) right[i] = weight;
      for (let j = 0; j < size; j++) {
        const value = dual ? (gram[i * size + j] ?? 0) : (x.data[i * dim + j] ?? 0);
        left[j] = (left[j] ?? 0) + weight * value;
      }
    }
    if (!dual) right.set(left);
    choleskySolve(sigma, size, right);
    for (let j = 0; j < size; j++) score += (1 - shrinkage) * (left[j] ?? 0) * (right[j] ?? 0);
  }
  return { score, items };
}

/** Shares of the mean variance; below this, Σ is singular in the precision of the features. */
const MIN_SHRINKAGE = 1e-7;

/**
 * The shrinkage of Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004), as
 * scikit-learn's `ledoit_wolf_shrinkage` computes it, and mu = trace(XᵀX / n) / d. `x` [n, d] is centred; `gram` is XᵀX
 * or X Xᵀ: the Frobenius norm is the same.
 */
function ledoitWolf({ data, rows, cols }: Matrix, gram: Float64Array): { shrinkage: number; mu: number } {
  let trace = 0;
  let fourth = 0;
  for (let i = 0; i < rows; i++) {
    let squares = 0;
    for (let j = 0; j < cols; j++) squares += (data[i * cols + j] ?? 0) ** 2;
    trace += squares / rows;
    fourth += squares * squares;
  }
  const mu = trace / cols;
  let norm = 0;
  for (const value of gram) norm += value * value;
  norm /= rows * rows;
  const delta = (norm - 2 * mu * trace + cols * mu * mu) / cols;
  const beta = Math.min((fourth / rows - norm) / (cols * rows), delta);
  return { shrinkage: beta > 0 ? beta / delta : 0, mu };
}
