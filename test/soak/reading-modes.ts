import type { LoggedRequest } from "../../crawler/local-hub/start-local-hub.ts";
import { placeOf, possibleFaults, type FaultName } from "./random-fault.ts";

/** Where a crawl finds corrupted bytes, as the hub gives it a hash to compare with. */
interface ReadingMode {
  readonly args: readonly string[];
  readonly findsCorruption: (request: LoggedRequest) => boolean;
}

/** Of a large file, the header is read before and apart, and no hash goes with it. */
const isHeader = ({ range }: LoggedRequest): boolean => /^bytes=0-\d{1,5}$/.test(range ?? "");

/** How crawls read. JSON and small files are always compared. */
export const MODES = {
  /** Whole files, compared with their sha256. */
  whole: {
    args: ["--tensors", "all", "--no-xet"],
    findsCorruption: (request) => placeOf(request) !== "file" || !isHeader(request),
  },
  /** Ranges of files and what they are made of. */
  ranges: {
    args: ["--tensors", "backbone"],
    findsCorruption: (request) => placeOf(request) !== "file" && placeOf(request) !== "xorb",
  },
  /** Whole files out of chunks. */
  chunks: { args: ["--tensors", "all", "--verify"], findsCorruption: (request) => placeOf(request) !== "file" },
} satisfies Record<string, ReadingMode>;
export type Mode = keyof typeof MODES;
export const MODE_ORDER = ["whole", "ranges", "chunks"] as const;

/** The faults that a request may have when a crawl reads so: bytes are corrupted only where a hash can tell. */
export const faultsFor = (mode: Mode, request: LoggedRequest): FaultName[] =>
  possibleFaults(placeOf(request)).filter((name) => name !== "corrupt" || MODES[mode].findsCorruption(request));
