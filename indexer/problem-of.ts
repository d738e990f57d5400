import { CheckpointError, UnsupportedModelError } from "../crawler/errors.ts";
import { HubError } from "../crawler/hub/hub-error.ts";
import type { ModelOutcome } from "./model-records.ts";

/** Why a model could not be read; `isPassing` when the next try may go well. */
export type Problem = ModelOutcome & { readonly isPassing?: boolean };

export const NOT_SHOWN = "the hub no longer shows it: it was deleted, or is private now";

/** What became of a model that could not be read. @returns null for what is no fault of the model's */
export function problemOf(cause: unknown): Problem | null {
  if (cause instanceof UnsupportedModelError) return { status: "unsupported", reason: cause.message };
  if (cause instanceof CheckpointError) return { status: "failed", reason: cause.message };
  if (!(cause instanceof HubError)) return null;
  if (cause.isGated) {
    return { status: "gated", reason: "gated: ask for access on its page and set HF_TOKEN to your token" };
  }
  if (cause.isRepositoryMissing) return { status: "gone", reason: NOT_SHOWN };
  const reason = cause.code === "" ? cause.message : `${cause.code}: ${cause.message}`;
  return { status: "failed", reason, isPassing: true };
}
