import { describe, expect, it } from "vitest";
import { overlapHtml } from "./overlap-html.ts";
import type { FamilyOverlap } from "./overlap-of-family.ts";

const hostile = `org/<script>alert(1)</script>"'&\u001b[31m`;

const overlap: FamilyOverlap = {
  family: "detr<resnet",
  base: "facebook/detr<resnet",
  models: [
    {
      ...{ model: hostile, revision: "<b>1234567890", blocks: 2, sharedBlocks: 1, sharedPrefix: 1 },
      ...{ sharedBytes: 1_500_000, bytes: 3_000_000, pattern: "first-frozen" },
    },
  ],
  summary: {
    ...{ models: 1, overlapping: 1, overlapShare: 1, bytes: 6_000_000, uniqueBytes: 4_500_000 },
    patterns: { identical: 0, "norm-only": 0, "first-frozen": 1, "last-frozen": 0, scattered: 0, none: 0 },
  },
};

const block = (position: number, blockId: string) => ({
  ...{ position, name: `<i>${position}`, blockId, prefixId: "p", graphHash: "g", weightsHash: "w", bytes: 1 },
  ...{ flopsPerItem: 1, outputShape: [1] },
});

describe("overlapHtml", () => {
  const html = overlapHtml(
    overlap,
    new Map([
      [overlap.base, [block(0, "a"), block(1, "b")]],
      [hostile, [block(0, "a"), block(1, "x")]],
    ]),
  );

  it("shows names as text, whatever they hold", () => {
    for (const raw of ["<script", "<i>", "<b>1234", "\u001b"]) expect(html).not.toContain(raw);
    expect(html).toContain("org/&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u001b[31m");
  });

  it("asks for nothing outside the file", () => {
    expect(html).not.toMatch(/https?:|src=|href=|@import|url\(/);
    expect(html).toContain("default-src 'none'");
  });

  it("draws a cell a block and sums up", () => {
    expect(html.match(/<rect class="same"/g)).toHaveLength(3);
    expect(html.match(/<rect class="changed"/g)).toHaveLength(1);
    expect(html).toContain("stored once (25 % saved)");
    expect(html).toContain("1.5 MB");
  });
});
