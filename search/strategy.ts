/** How a search runs: sharing blocks and halving, halving each model alone, or scoring every model on everything. */
export const STRATEGIES = ["alsatian", "shift", "base"] as const;
export type Strategy = (typeof STRATEGIES)[number];
