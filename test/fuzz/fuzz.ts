import fc from "fast-check";
import { CheckpointError, UnsupportedModelError } from "../../crawler/errors.ts";

/** Cases of each property; `ALSATIAN_FUZZ_RUNS=1000000` looks longer. */
const RUNS = Number(process.env.ALSATIAN_FUZZ_RUNS ?? 10_000);
/**
 * The same cases each time, so that a failure is nobody's bad luck; `ALSATIAN_FUZZ_SEED=random` looks for others. A
 * failure names its seed, which runs it again.
 */
const SEED = process.env.ALSATIAN_FUZZ_SEED ?? "20261121";

/** Settings of every property of this folder. */
export const fuzzSettings = (share = 1): fc.Parameters<unknown> => ({
  numRuns: Math.ceil(RUNS * share),
  ...(SEED !== "random" && { seed: Number(SEED) }),
});

/** What a person would see of a bad model; any other error is one of ours and fails the property. */
export function refusalOf(cause: unknown): string {
  if (cause instanceof CheckpointError || cause instanceof UnsupportedModelError) return cause.message;
  throw cause;
}

/** Values that break parsers: of each JSON type, at the limits of what numbers can be. */
export const oddJson = (): fc.Arbitrary<unknown> =>
  fc.oneof(
    fc.constantFrom<unknown>(
      ...[0, -1, 1, 2, 3, 0.5, 7, 16, 1000, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 - 1, 1e18, 1e308, -1e308],
      ...["", "x", "__proto__", "constructor", "224", "\u001b[31m", "\0", "gelu", "a".repeat(5000)],
      ...[null, true, false, [], {}, [[]], [0], [-1], [1e9], [1e9, 1e9], [2, 2, 2, 2], [null], ["x"], { a: [] }],
      JSON.parse('{"__proto__": {"polluted": 1}}'),
    ),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.jsonValue({ maxDepth: 3 }),
  );

/** A JSON document with some of its values replaced, removed or added, at any depth. */
export function mutated(document: unknown): fc.Arbitrary<unknown> {
  const places = [...placesOf(document, [])];
  const change = fc.record({
    at: places.length > 0 ? fc.constantFrom(...places) : fc.constant([]),
    how: fc.constantFrom("replace", "remove", "add"),
    key: fc.constantFrom("__proto__", "constructor", "toString", "0", "size", "hidden_sizes", "quantization_config"),
    value: oddJson(),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const copy = structuredClone({ document });
    for (const { at, how, key, value } of changes) {
      let holder: unknown = copy;
      for (const part of ["document", ...at].slice(0, -1)) holder = isHolder(holder) ? holder[part] : undefined;
      if (!isHolder(holder)) continue; // an earlier change has replaced what held it
      const last = ["document", ...at].at(-1) ?? "document";
      if (how === "remove") delete holder[last];
      else define(holder, how === "add" && at.length > 0 ? key : last, value);
    }
    return copy.document;
  });
}

const isHolder = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** As JSON.parse does it: `__proto__` becomes a member like any other. */
const define = (holder: object, key: string, value: unknown): void =>
  void Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true });

function* placesOf(value: unknown, path: readonly string[]): Generator<readonly string[]> {
  if (!isHolder(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    yield [...path, key];
    yield* placesOf(inner, [...path, key]);
  }
}
