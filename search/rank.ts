/** A candidate's last score. */
export interface ScoredModel {
  readonly model: string;
  readonly revision: string;
  readonly score: number;
  /** The round of the score: the last one that the model took part in. */
  readonly round: number;
  /** Training items that the score rests on. */
  readonly items: number;
}

export interface RankedModel extends ScoredModel {
  /** From 1. */
  readonly rank: number;
  /** Another model of the same round has the same score, so their order is that of their ids. */
  readonly tied: boolean;
}

/** Best first; equal scores in order of the ids. */
export const compareScores = (a: ScoredModel, b: ScoredModel): number =>
  b.score - a.score || (a.model < b.model ? -1 : a.model > b.model ? 1 : 0);

/**
 * Ranks every candidate: those that stayed longest first, within a round by score.
 * @param scored one entry a model, its last score
 */
export function rankModels(scored: readonly ScoredModel[]): RankedModel[] {
  const ties = new Map<string, number>();
  const key = ({ round, score }: ScoredModel) => `${round} ${score}`;
  for (const model of scored) ties.set(key(model), (ties.get(key(model)) ?? 0) + 1);
  return scored
    .toSorted((a, b) => b.round - a.round || compareScores(a, b))
    .map((model, index) => ({ rank: index + 1, ...model, tied: (ties.get(key(model)) ?? 0) > 1 }));
}

/** The models that go on after a round. */
export const keepBest = (scored: readonly ScoredModel[], count: number): Set<string> =>
  new Set(
    scored
      .toSorted(compareScores)
      .slice(0, count)
      .map(({ model }) => model),
  );
