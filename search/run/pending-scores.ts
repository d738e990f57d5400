import type { Account } from "../plan/account.ts";
import type { FeatureScore } from "./runner.ts";

/** Scores under way, by feature, and the memory that their features take meanwhile. */
export class PendingScores {
  readonly #account: Account;
  readonly #scores = new Map<string, { readonly bytes: number; readonly score: Promise<FeatureScore> }>();

  constructor(account: Account) {
    this.#account = account;
  }

  begin(feature: string, bytes: number, score: Promise<FeatureScore>): void {
    score.catch(() => undefined); // the step that waits for it sees why
    this.#scores.set(feature, { bytes, score });
    this.#account.take(bytes);
  }

  async end(feature: string): Promise<FeatureScore> {
    const pending = this.#scores.get(feature);
    if (!pending) throw new Error(`feature ${feature} is not being scored`);
    try {
      return await pending.score;
    } finally {
      this.#scores.delete(feature);
      this.#account.free(pending.bytes);
    }
  }

  /** Waits for all of them, whatever comes of them. */
  async close(): Promise<void> {
    for (const feature of [...this.#scores.keys()]) await this.end(feature).catch(() => undefined);
  }
}
