import type { FeatureScore } from "./runner.ts";
import { areAlike, itemsOf, worthTogether, type ScoreJob } from "./score-features.ts";

/** A lane that could train proxies now. */
export interface Scorer {
  /** Whether it has trained some. */
  readonly isWarm: boolean;
  /** Lanes that have. */
  readonly warmLanes: number;
  /** Whether something else waits for it. */
  readonly isNeeded: boolean;
  /** Whether all lanes do nothing, or train proxies: others wait for those. */
  readonly isEnd: boolean;
  /** Lanes that do nothing, this one included, and those of them that have trained some. */
  readonly idle: number;
  readonly idleWarm: number;
}

/** Proxies that a lane trains together. */
export interface ScoreGroup {
  readonly jobs: readonly ScoreJob[];
  /** @param score trains them; what comes of it, those who wait for them are told */
  work(score: (jobs: readonly ScoreJob[]) => Promise<readonly FeatureScore[]>): Promise<void>;
}

interface Waiting {
  readonly job: ScoreJob;
  readonly resolve: (score: FeatureScore) => void;
  readonly reject: (cause: unknown) => void;
}

/** What the first proxies of a lane take longer than those after them: its code is not compiled yet. */
const WARMING_MS = 50;
/** So many full groups for each lane that trains proxies make another one help. */
const MOST_GROUPS = 3;

/**
 * Proxies that wait for a lane. Small ones wait until there are enough of them to train them together, unless a lane has
 * nothing else to do. A lane that has trained none yet does so when no other has, when those that have cannot keep up, or at
 * the end, where it is faster than to wait for them.
 */
export class ScoreQueue {
  readonly #waiting: Waiting[] = [];
  /** Of one proxy, for each item: the last that was measured. */
  #msPerItem = 0;

  /** @returns the score, when a lane has trained the proxy */
  add(job: ScoreJob): Promise<FeatureScore> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
    });
  }

  /** What a lane is to train now; null: nothing. */
  take(lane: Scorer): ScoreGroup | null {
    const [first] = this.#waiting;
    if (!first) return null;
    const most = worthTogether(first.job);
    if (!this.#isWorth(lane, most, first.job)) return null;
    const helpers = lane.isEnd ? (this.#isLong(first.job) ? lane.idle : lane.idleWarm) : 1;
    const share = lane.isNeeded ? most : Math.ceil(this.#waiting.length / Math.max(1, helpers));
    let count = 1;
    while (count < Math.min(most, share)) {
      const next = this.#waiting[count];
      if (!next || !areAlike(next.job, first.job)) break;
      count++;
    }
    return this.#groupOf(this.#waiting.splice(0, count), lane.isWarm ? 0 : WARMING_MS);
  }

  /** Whether so much is left that a lane which has trained nothing yet helps. */
  #isLong(job: ScoreJob): boolean {
    return this.#msPerItem * itemsOf(job) * this.#waiting.length > 2 * WARMING_MS;
  }

  #isWorth({ isWarm, warmLanes, isNeeded, isEnd }: Scorer, most: number, job: ScoreJob): boolean {
    const groups = Math.floor(this.#waiting.length / most);
    if (isWarm) return !isNeeded || groups > 0;
    if (warmLanes === 0) return true; // it takes its time, best beside other lanes that have something else to do
    return groups > MOST_GROUPS * warmLanes || (isEnd && !isNeeded && this.#isLong(job));
  }

  /** @param warmingMs of its time, which later ones don't take */
  #groupOf(group: readonly Waiting[], warmingMs: number): ScoreGroup {
    const jobs = group.map(({ job }) => job);
    return {
      jobs,
      work: async (score) => {
        const start = performance.now();
        try {
          const scores = await score(jobs);
          if (scores.length !== jobs.length) throw new Error(`${jobs.length} proxies got ${scores.length} scores`);
          scores.forEach((one, index) => group[index]?.resolve(one));
        } catch (cause) {
          for (const { reject } of group) reject(cause);
        }
        const items = jobs.reduce((sum, job) => sum + itemsOf(job), 0);
        this.#msPerItem = Math.max(0, performance.now() - start - warmingMs) / items;
      },
    };
  }
}
