/** Features that no proxy can score, such as NaN: the model that put them out counts as failed, the others go on. */
export class FeatureError extends Error {
  override name = "FeatureError";
}
