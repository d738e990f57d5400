/** How a fine-tune's backbone relates to its base's; the first that holds, in this order (the view decides). */
export const PATTERNS = ["identical", "norm-only", "first-frozen", "last-frozen", "scattered", "none"] as const;

export type Pattern = (typeof PATTERNS)[number];

export const parsePattern = (text: string): Pattern => PATTERNS.find((pattern) => pattern === text) ?? "none";
