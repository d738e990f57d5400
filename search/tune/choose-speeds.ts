import { DEFAULT_SPEEDS, type Speeds } from "../plan/speeds.ts";
import type { Measured } from "./measured.ts";

/** A speed counts where it is so many times the default, or the default so many times it: less is noise. */
const LEAST_FACTOR = 2;

/** The defaults, but where the machine is clearly faster or slower. */
export function chooseSpeeds(measured: Measured["speeds"]): Speeds {
  const choose = (of: keyof Speeds): number => {
    const speed = measured[of] ?? DEFAULT_SPEEDS[of];
    const factor = speed / DEFAULT_SPEEDS[of];
    return Math.max(factor, 1 / factor) >= LEAST_FACTOR ? speed : DEFAULT_SPEEDS[of];
  };
  return { weights: choose("weights"), disk: choose("disk"), link: choose("link") };
}
