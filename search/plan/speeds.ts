/** How fast a machine moves bytes, in bytes a second: what decides where a plan that is short of memory saves it. */
export interface Speeds {
  /** Weights that are brought into memory again: read, laid out, and made part of a graph. */
  readonly weights: number;
  /** Results that go to disk, or come back. */
  readonly disk: number;
  /** Results that go from the machine's memory to the device's, or back. */
  readonly link: number;
}

/** Of a small machine (docs/performance.md); only their ratios decide. */
export const DEFAULT_SPEEDS: Speeds = { weights: 1e9, disk: 1e9, link: 5e9 };
