import { expect, it } from "vitest";
import { readModelCard } from "./read-model-card.ts";

it("reads the front matter and nothing else", () => {
  expect(readModelCard("---\nlicense: mit\ntags: [a, b]\n---\nlicense: other")).toEqual({
    license: "mit",
    tags: ["a", "b"],
  });
  expect(readModelCard("\uFEFF---\r\nlicense: mit\r\n---\r\n")).toEqual({ license: "mit" });
});

it.each([
  ["none", "# A model\n---\nlicense: mit\n---\n"],
  ["not closed", "---\nlicense: mit\n"],
  ["not YAML", "---\na: [1\n---\n"],
  ["not a mapping", "---\n- a\n- b\n---\n"],
])("has no data where the front matter is %s", (_, readme) => {
  expect(readModelCard(readme)).toBeUndefined();
});

it("refuses a card whose aliases would fill the memory", () => {
  const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
  expect(readModelCard(`---\nl0: &l0 [lol]\n${levels.join("\n")}\n---\n`)).toBeUndefined();
});
