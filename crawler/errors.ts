/** Wrong usage or input: the command ends with exit code 2 and prints the message alone. */
export class InputError extends Error {
  override name = "InputError";
}

/**
 * A model that cannot be exported, with a reason that a person understands. The catalog keeps it with status
 * `unsupported`; the crawl goes on with the other models.
 */
export class UnsupportedModelError extends Error {
  override name = "UnsupportedModelError";
}

/** A checkpoint whose files contradict themselves or their configuration. The model counts as failed. */
export class CheckpointError extends Error {
  override name = "CheckpointError";
}
