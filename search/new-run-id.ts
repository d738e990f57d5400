import { randomBytes } from "node:crypto";

/** Names a run: when it began (UTC), and chance. */
export const newRunId = (now = new Date()): string =>
  `${now.toISOString().replace(/\D/g, "").slice(0, 14)}-${randomBytes(2).toString("hex")}`;
