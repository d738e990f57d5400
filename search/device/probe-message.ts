import { z } from "zod";

/** A process that tries a device reports each thing as soon as it knows it: what comes next may end the process. */
const probeMessage = z.discriminatedUnion("kind", [
  /** The device took the graph; which onnxruntime it was. */
  z.strictObject({ kind: z.literal("opened"), runtime: z.string().max(100) }),
  /** It ran the tiny graph, and the values were right. */
  z.strictObject({ kind: z.literal("works") }),
  z.strictObject({ kind: z.literal("rate"), itemsPerSecond: z.number().positive() }),
  z.strictObject({ kind: z.literal("failed"), error: z.string().max(100_000) }),
]);
export type ProbeMessage = z.infer<typeof probeMessage>;

/** @returns null for anything else */
export const parseProbeMessage = (message: unknown): ProbeMessage | null => {
  const { data } = probeMessage.safeParse(message);
  return data ?? null;
};
