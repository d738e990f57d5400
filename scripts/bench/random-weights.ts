import { elementCount, type TensorRef } from "../../crawler/export/graph.ts";
import { seededRandom } from "../../search/shuffle.ts";

/** Normal numbers that tensors are cut from, at a random place: drawing each anew takes longer than all the rest. */
const POOL = 1 << 20;

/** Makes the values of tensors: `values(tensor, seed)` is the same for the same seeds. */
export function randomWeights(poolSeed: number): (tensor: TensorRef, seed: number) => Float32Array<ArrayBuffer> {
  const pool = normalNumbers(POOL, poolSeed);
  return ({ name, shape }, seed) => {
    const values = new Float32Array(elementCount(shape));
    const fixed = fixedValue(name, shape);
    if (fixed !== undefined) return values.fill(fixed);
    const scale = deviation(name, shape);
    const start = Math.floor(seededRandom(seed)() * POOL);
    for (let index = 0; index < values.length; index++) {
      values[index] = scale * (pool[(start + index) % POOL] ?? 0);
    }
    return values;
  };
}

/** A normalisation that passes on what it gets, and no biases. */
function fixedValue(name: string, shape: readonly number[]): number | undefined {
  if (shape.length !== 1) return undefined;
  return name.endsWith(".running_var") || name.endsWith(".weight") ? 1 : 0;
}

/** He et al. (arXiv 1502.01852), so that values keep their size from block to block; embeddings as BERT's. */
function deviation(name: string, shape: readonly number[]): number {
  if (/embeddings\.(?!patch)/.test(name)) return 0.02;
  return Math.sqrt(2 / elementCount(shape.slice(1)));
}

/** By Box and Muller's transform. */
function normalNumbers(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  const numbers = new Float32Array(count);
  for (let index = 0; index < count; index += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    numbers[index] = radius * Math.cos(angle);
    numbers[index + 1] = radius * Math.sin(angle);
  }
  return numbers;
}
