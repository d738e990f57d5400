/**
 * A model whose pictures cannot be prepared as it expects them: an unknown processor or a configuration that makes no
 * sense. The model counts as failed with this reason; the search goes on with the others.
 */
export class PreprocessingError extends Error {
  override name = "PreprocessingError";
}
