import { InputError } from "../../crawler/errors.ts";
import { FeatureError } from "./errors.ts";

/** Training items of one model. */
export interface LabelledFeatures {
  /** [n, dim] row-major */
  readonly train: Float32Array;
  /** [n], each in 0 … classes - 1 */
  readonly trainLabels: Int32Array;
  readonly classes: number;
  readonly dim: number;
}

/** Throws an InputError that names what is wrong with the training items, or a FeatureError if a feature is not finite. */
export function checkTraining(data: LabelledFeatures): void {
  checkTrainingShape(data);
  checkFinite("training", data.train, data.dim);
}

/** Throws an InputError that names what is wrong with the training items; their features may be anything. */
export function checkTrainingShape({ train, trainLabels, classes, dim }: LabelledFeatures): void {
  if (!Number.isInteger(dim) || dim < 1) throw new InputError(`dim is ${dim}; expected a whole number of at least 1`);
  if (!Number.isInteger(classes) || classes < 1) {
    throw new InputError(`classes is ${classes}; expected a whole number of at least 1`);
  }
  if (trainLabels.length === 0) throw new InputError("there are no training items");
  checkShape("training", train, trainLabels, classes, dim);
}

/** Throws an InputError if lengths disagree or a label is out of range. */
export function checkShape(
  which: "training" | "test",
  features: Float32Array,
  labels: Int32Array,
  classes: number,
  dim: number,
): void {
  if (features.length !== labels.length * dim) {
    throw new InputError(
      `${which} features hold ${features.length} values; expected ${labels.length} items x ${dim} = ${labels.length * dim}`,
    );
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] ?? -1;
    if (label < 0 || label >= classes) {
      throw new InputError(`${which} label ${label} of item ${i} is not in 0 … ${classes - 1}`);
    }
  }
}

/** Throws a FeatureError that names the first feature that is not finite. */
export function checkFinite(which: "training" | "test", features: Float32Array, dim: number): void {
  let probe = 0; // becomes NaN with the first value that is not finite
  for (let at = 0; at < features.length; at++) probe += 0 * (features[at] ?? 0);
  if (probe === 0) return;
  const at = features.findIndex((value) => !Number.isFinite(value));
  const [item, feature] = [Math.floor(at / dim), at % dim];
  throw new FeatureError(
    `${which} feature ${feature} of item ${item} is ${features[at]}; every feature must be finite`,
  );
}
