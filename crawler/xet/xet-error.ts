import { CheckpointError } from "../errors.ts";

/** What a content-addressed store delivered is not what its own description, or the protocol, says. */
export class XetError extends CheckpointError {
  override name = "XetError";
}
