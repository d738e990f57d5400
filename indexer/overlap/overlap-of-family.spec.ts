import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { BASE, sampleBlock, sampleBytes, sampleModel, type SampleBlock } from "../../test/catalog/sample-models.ts";
import { makeHome } from "../../test/catalog/make-home.ts";
import { openCatalogReader, type CatalogReader } from "../catalog/catalog-reader.ts";
import { openCatalogWriter } from "../catalog/catalog-writer.ts";
import type { ModelRecord } from "../catalog/records.ts";
import { overlapOfFamily, type FamilyOverlap } from "./overlap-of-family.ts";
import { PATTERNS, type Pattern } from "./patterns.ts";
import { writeOverlapHtml } from "./write-overlap-html.ts";

type Sample = readonly [id: string, chain: readonly SampleBlock[], facts?: Partial<ModelRecord>];

async function withCatalog<T>(samples: readonly Sample[], use: (reader: CatalogReader, home: string) => Promise<T>) {
  const home = await makeHome();
  const writer = await openCatalogWriter(home);
  for (const [id, chain, facts] of samples) await writer.putModel(sampleModel(id, chain, facts));
  await writer.publish();
  await writer.close();
  const reader = await openCatalogReader(home);
  try {
    return await use(reader, home);
  } finally {
    reader.close();
  }
}

const chainOf = (weights: string, norms = weights.replace(/./g, "n")): SampleBlock[] =>
  [...weights].map((weight, index) => sampleBlock(weight, norms[index]));

describe("overlapOfFamily", () => {
  it.each<[string, readonly SampleBlock[], Pattern, number, number]>([
    ["the same chain", chainOf("abcd"), "identical", 4, 4],
    ["other norms everywhere", chainOf("abcd", "xxxx"), "norm-only", 0, 0],
    ["other norms behind a frozen prefix", chainOf("abcd", "nnxx"), "norm-only", 2, 2],
    ["a frozen prefix", chainOf("abxy"), "first-frozen", 2, 2],
    ["a frozen prefix and one more", chainOf("axcy"), "first-frozen", 2, 1],
    ["the same chain, longer", chainOf("abcde"), "first-frozen", 4, 4],
    ["the same chain, shorter", chainOf("abc"), "first-frozen", 3, 3],
    ["a frozen suffix", chainOf("xycd"), "last-frozen", 2, 0],
    ["one block in the middle", chainOf("xbyz"), "scattered", 1, 0],
    ["a block moved", chainOf("xaby"), "scattered", 2, 0],
    ["nothing", chainOf("wxyz"), "none", 0, 0],
    ["other norms in another graph", [...chainOf("abc"), sampleBlock("d", "x", "h")].slice(1), "scattered", 2, 0],
  ])("names %s", async (_, chain, pattern, sharedBlocks, sharedPrefix) => {
    const samples = [[BASE, chainOf("abcd")] as const, ["org/tuned", chain] as const];
    const { models, summary } = await withCatalog(samples, (reader) => overlapOfFamily(reader, "detr-resnet-50"));
    expect(models).toMatchObject([{ model: "org/tuned", pattern, sharedBlocks, sharedPrefix, blocks: chain.length }]);
    expect(summary.patterns[pattern]).toBe(1);
  });

  it("leaves out models that are not indexed, and can tell of one model", async () => {
    const samples: Sample[] = [
      [BASE, chainOf("abc")],
      ["org/a", chainOf("abx")],
      ["org/b", chainOf("abc")],
      ["org/failed", chainOf("abc"), { status: "failed" }],
      ["org/other", chainOf("abc"), { family: "org/other" }],
    ];
    await withCatalog(samples, async (reader) => {
      const overlap = await overlapOfFamily(reader, BASE);
      expect(overlap.models.map(({ model }) => model)).toEqual(["org/a", "org/b"]);
      const size = sampleBytes("g");
      expect(overlap.summary).toEqual({
        ...{ models: 2, overlapping: 2, overlapShare: 1, bytes: 9 * size, uniqueBytes: 4 * size },
        patterns: { identical: 1, "norm-only": 0, "first-frozen": 1, "last-frozen": 0, scattered: 0, none: 0 },
      });
      expect((await overlapOfFamily(reader, BASE, { model: "org/a" })).models).toEqual(overlap.models.slice(0, 1));
      await expect(overlapOfFamily(reader, BASE, { model: "org/failed" })).rejects.toThrow(InputError);
      await expect(overlapOfFamily(reader, "unknown")).rejects.toThrow(/alsatian crawl --family unknown/);
      expect((await overlapOfFamily(reader, "org/other")).summary).toMatchObject({ models: 0, overlapShare: 0 });
    });
  });

  it("says why a family without its base cannot be compared", async () => {
    const samples: Sample[] = [
      [BASE, [], { status: "gated", reason: "ask its owner" }],
      ["org/a", chainOf("abx")],
    ];
    await withCatalog(samples, (reader) =>
      expect(overlapOfFamily(reader, BASE)).rejects.toThrow(/base model .* is not indexed \(gated: ask its owner\)/),
    );
  });

  it("counts the tensors and siblings too", async () => {
    const samples: Sample[] = [
      [BASE, chainOf("abc")],
      ["org/a", chainOf("abx")],
      ["org/b", chainOf("abx")],
      ["org/c", chainOf("aby", "nxn")],
    ];
    await withCatalog(samples, async (reader) => {
      const rows = await reader.query("SELECT * FROM model_overlap ORDER BY model");
      expect(rows.map((row) => [row.number("tensors"), row.number("shared_tensors")])).toEqual([
        [9, 7], // all but the two weights of x
        [9, 7],
        [9, 6], // the changed norm of its second block too
      ]);
      const pairs = await reader.query(
        "SELECT * FROM sibling_overlap WHERE model_a = 'org/a' OR model_b = 'org/a' ORDER BY ALL",
      );
      const size = sampleBytes("g");
      expect(
        pairs.map((row) => [
          ...[row.text("family"), row.text("model_a"), row.text("model_b"), row.number("shared_blocks")],
          ...[row.number("shared_bytes"), row.number("shared_prefix"), row.boolean("identical")],
        ]),
      ).toEqual([
        ["detr-resnet-50", BASE, "org/a", 2, 2 * size, 2, false],
        ["detr-resnet-50", "org/a", "org/b", 3, 3 * size, 3, true],
        ["detr-resnet-50", "org/a", "org/c", 1, size, 1, false],
      ]);
      const [most] = await reader.query("SELECT * FROM block_sharing ORDER BY models DESC LIMIT 1");
      expect([most?.number("models"), most?.number("families"), most?.number("bytes")]).toEqual([4, 1, size]);
    });
  });

  it("agrees with a plain reckoning on any chains", async () => {
    const block = fc
      .tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("n", "m"), fc.constantFrom("g", "g", "hh"))
      .map(([weight, norm, graph]) => sampleBlock(weight, norm, graph));
    const base = fc.array(block, { minLength: 1, maxLength: 5 });
    const family = base.chain((chain) =>
      fc.record({
        chain: fc.constant(chain),
        tuned: fc.array(
          fc.oneof(
            fc.array(block, { minLength: 1, maxLength: 6 }),
            fc.tuple(...chain.map((own) => fc.oneof(fc.constant(own), fc.constant({ ...own, norm: "z" }), block))),
          ),
          { maxLength: 6 },
        ),
      }),
    );
    const property = fc.asyncProperty(fc.array(family, { minLength: 1, maxLength: 12 }), async (families) => {
      const samples = families.flatMap(({ chain, tuned }, index): Sample[] => [
        [`base/${index}`, chain, { family: `base/${index}` }],
        ...tuned.map((own, k): Sample => [`tuned/${index}-${k}`, own, { family: `base/${index}` }]),
      ]);
      await withCatalog(samples, async (reader) => {
        for (const [index, { chain, tuned }] of families.entries())
          expectReckoned(await overlapOfFamily(reader, `base/${index}`), chain, tuned);
      });
    });
    await fc.assert(property, { numRuns: 8 });
  });

  it("reads a family of 300 models", async () => {
    const long = Array.from({ length: 20 }, (_, index) => sampleBlock(`w${index}`));
    const samples = Array.from({ length: 300 }, (_, model): Sample => {
      const frozen = model % 21;
      return [`org/${model}`, long.map((own, index) => (index < frozen ? own : sampleBlock(`${model}/${index}`)))];
    });
    await withCatalog([[BASE, long], ...samples], async (reader, home) => {
      const overlap = await overlapOfFamily(reader, BASE);
      expect(overlap.summary).toMatchObject({ models: 300, overlapping: 285 });
      const [siblings] = await reader.query("SELECT count(*) AS n FROM sibling_overlap");
      expect(siblings?.number("n")).toBe((301 * 300) / 2);
      await writeOverlapHtml(reader, overlap, join(home, "overlap.html"));
      expect((await readFile(join(home, "overlap.html"), "utf8")).match(/<rect/g)).toHaveLength(301 * 20);
    });
  });
});

/** What the views should say, in plain TypeScript. */
function expectReckoned(
  found: FamilyOverlap,
  base: readonly SampleBlock[],
  tuned: readonly (readonly SampleBlock[])[],
) {
  const key = ({ graph, weight, norm }: SampleBlock) => `${graph} ${weight} ${norm}`;
  const held = new Set(base.map(key));
  const expected = tuned.map((chain) => {
    const shared = chain.map((block) => held.has(key(block)));
    const same = chain.map((block, index) => index < base.length && key(block) === key(base[index] ?? block));
    const sharedBlocks = shared.filter(Boolean).length;
    const different = same.indexOf(false);
    const sharedPrefix = different < 0 ? chain.length : different;
    const normOnly =
      chain.length === base.length &&
      chain.every((block, i) => block.graph === base[i]?.graph && block.weight === base[i]?.weight);
    const pattern: Pattern =
      sharedBlocks === chain.length && chain.length === base.length
        ? "identical"
        : normOnly
          ? "norm-only"
          : sharedPrefix > 0
            ? "first-frozen"
            : sharedBlocks > 0 && shared.slice(-sharedBlocks).every(Boolean)
              ? "last-frozen"
              : sharedBlocks > 0
                ? "scattered"
                : "none";
    const size = (blocks: readonly SampleBlock[]) => blocks.reduce((sum, { graph }) => sum + sampleBytes(graph), 0);
    const sharedBytes = size(chain.filter((_, index) => shared[index]));
    return { blocks: chain.length, sharedBlocks, sharedPrefix, sharedBytes, bytes: size(chain), pattern };
  });
  expect(found.models).toMatchObject(expected);
  const all = [base, ...tuned].flat();
  const distinct = [...new Map(all.map((block) => [key(block), block])).values()];
  const sum = (blocks: readonly SampleBlock[]) => blocks.reduce((total, { graph }) => total + sampleBytes(graph), 0);
  const overlapping = expected.filter(({ sharedBlocks }) => sharedBlocks > 0).length;
  expect(found.summary).toEqual({
    ...{ models: tuned.length, overlapping, overlapShare: tuned.length === 0 ? 0 : overlapping / tuned.length },
    patterns: Object.fromEntries(
      PATTERNS.map((name) => [name, expected.filter(({ pattern }) => pattern === name).length]),
    ),
    ...{ bytes: sum(all), uniqueBytes: sum(distinct) },
  });
}
