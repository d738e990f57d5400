import type { Device } from "./device/device.ts";
import { unsupportedOperators } from "./device/unsupported-operators.ts";
import type { Fallback } from "./fall-back.ts";
import type { Candidate } from "./plan/candidate.ts";

/** What is known beforehand to run on the CPU, instead of failing on the device first. */
export interface KnownFallback {
  /** Graphs of the blocks. */
  readonly onCpu: ReadonlySet<string>;
  /** What the user is told; null where the device takes every block. */
  readonly fallback: Fallback | null;
}

/** The blocks of candidates that have operators which the device cannot compute. */
export function knownFallback(device: Device, candidates: readonly Pick<Candidate, "blocks">[]): KnownFallback {
  const onCpu = new Set<string>();
  const names = new Set<string>();
  const operators = new Set<string>();
  for (const block of candidates.flatMap(({ blocks }) => blocks)) {
    const lacking = unsupportedOperators(device, block.operators);
    if (lacking.length === 0) continue;
    onCpu.add(block.graphHash);
    names.add(block.name);
    for (const operator of lacking) operators.add(operator);
  }
  if (onCpu.size === 0) return { onCpu, fallback: null };
  const reason = `it cannot compute ${[...operators].join(", ")}`;
  return { onCpu, fallback: { round: 1, device, blocks: [...names], reason, then: "these blocks on the cpu" } };
}
