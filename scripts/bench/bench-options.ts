import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import type { BenchCase } from "./bench-search.ts";
import { BENCH_ARCHITECTURES } from "./fake-checkpoint.ts";
import { SHARINGS } from "./make-snapshots.ts";

/** Lists are given as `a,b` or as `a b`. */
const split = (values: readonly (string | number)[]): string[] =>
  values.flatMap((value) => String(value).split(",")).filter((value) => value !== "");

/** yargs' settings of an option that takes a list. */
export const list = { type: "string", array: true, coerce: split } as const;

/** @throws InputError naming the option, for a value that is not known */
export function pick<T extends string>(option: string, values: readonly string[], known: readonly T[]): T[] {
  return values.map((value) => {
    const found = known.find((name) => name === value);
    if (found === undefined) throw new InputError(`${option}: expected some of ${known.join(", ")}, got ${value}`);
    return found;
  });
}

/** @throws InputError naming the option, for anything but a whole number of at least `least` */
export function whole(option: string, value: number | string, least: number): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new InputError(`${option}: expected a whole number of at least ${least}, got ${value}`);
}

/** Options of a benchmark that searches one set of candidates. */
interface CaseArguments {
  readonly architecture: string;
  readonly sharing: string;
  readonly models: number;
  readonly train: number;
  readonly test: number;
  readonly imageSize: number;
  readonly threads: number;
  readonly runs: number;
  readonly seed: number;
}

/** @throws InputError naming the option that is wrong */
export const caseOf = (argv: CaseArguments) =>
  ({
    architecture: pick("--architecture", [argv.architecture], BENCH_ARCHITECTURES)[0] ?? "resnet-18",
    sharing: pick("--sharing", [argv.sharing], SHARINGS)[0] ?? "top-layers",
    models: whole("--models", argv.models, 1),
    train: whole("--train", argv.train, 4),
    test: whole("--test", argv.test, 4),
    imageSize: whole("--image-size", argv.imageSize, 32),
    threads: whole("--threads", argv.threads, 1),
    runs: whole("--runs", argv.runs, 1),
    seed: whole("--seed", argv.seed, 0),
    proxy: "linear",
  }) satisfies Partial<BenchCase>;

/**
 * Runs a benchmark in an empty folder.
 * @param home where the folder lies, and stays; default: a temporary one, which goes
 */
export async function inFolder(
  home: string | undefined,
  name: string,
  bench: (folder: string) => Promise<void>,
): Promise<void> {
  const parent = home === undefined ? await mkdtemp(join(tmpdir(), "alsatian-bench-")) : resolve(home);
  const folder = join(parent, name);
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await bench(folder);
  } finally {
    if (home === undefined) await rm(parent, { recursive: true, force: true });
  }
}
