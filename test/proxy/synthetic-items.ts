/** A data set that every language makes alike: only additions and products of float64, in a fixed order. */
export interface SyntheticSpec {
  readonly name: string;
  readonly seed: number;
  readonly train: number;
  readonly test: number;
  readonly dim: number;
  readonly classes: number;
  /** Directions that the features are mixed from, with falling weight. */
  readonly latent: number;
  /** Distance of the classes' centres, relative to their spread. */
  readonly separation: number;
  readonly noise: number;
  /** Class 0 has most of the items. */
  readonly unbalanced?: boolean | undefined;
  /** Features that have the same value in every item. */
  readonly constant?: readonly number[] | undefined;
  /** A class without a training item. */
  readonly missing?: number | undefined;
}

export interface SyntheticItems {
  readonly train: Float32Array;
  readonly trainLabels: Int32Array;
  readonly test: Float32Array;
  readonly testLabels: Int32Array;
  readonly classes: number;
  readonly dim: number;
}

/** Uniform values in [0, 1): the mulberry32 generator. */
export function uniformValues(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Items whose features are non-negative, correlated and of different scales, as those of networks are. */
export function syntheticItems(spec: SyntheticSpec): SyntheticItems {
  const { train, test, dim, classes, latent } = spec;
  const items = train + test;
  const uniform = uniformValues(spec.seed);
  const normals = (count: number) =>
    Float64Array.from({ length: count }, () => uniform() + uniform() + uniform() + uniform() - 2);
  const centres = normals(classes * latent).map((value) => value * spec.separation);
  const mix = normals(latent * dim);
  const labels = Int32Array.from({ length: items }, () => {
    const u = uniform();
    return Math.floor((spec.unbalanced ? u * u : u) * classes);
  });
  if (spec.missing !== undefined) {
    for (let i = 0; i < train; i++) if (labels[i] === spec.missing) labels[i] = (spec.missing + 1) % classes;
  }
  const spread = normals(items * latent);
  const noise = normals(items * dim);
  const features = new Float32Array(items * dim);
  for (let i = 0; i < items; i++) {
    for (let j = 0; j < dim; j++) {
      let value = 0;
      for (let l = 0; l < latent; l++) {
        const z = (centres[(labels[i] ?? 0) * latent + l] ?? 0) + (spread[i * latent + l] ?? 0);
        value += z * ((mix[l * dim + j] ?? 0) / (l + 1));
      }
      value = value + (noise[i * dim + j] ?? 0) * spec.noise + 0.25;
      features[i * dim + j] = Math.max(value, 0) * 2 ** ((j % 5) - 2);
    }
    for (const j of spec.constant ?? []) features[i * dim + j] = 3.7;
  }
  return {
    train: features.subarray(0, train * dim),
    trainLabels: labels.subarray(0, train),
    test: features.subarray(train * dim),
    testLabels: labels.subarray(train),
    classes,
    dim,
  };
}
