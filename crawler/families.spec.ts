import { describe, expect, it } from "vitest";
import { architectures } from "./export/registry.ts";
import { isModelId, loadFamilies, resolveFamily, shortName } from "./families.ts";

const known = await loadFamilies();

describe("the families that ship", () => {
  it("have each a name of its own, a base model's id, a task, and an exporter", () => {
    expect(new Set(known.map(({ name }) => name)).size).toBe(known.length);
    for (const { name, base, task, architecture } of known) {
      expect(isModelId(base), base).toBe(true);
      expect(name).toBe(shortName(base));
      expect(task).not.toBe("");
      expect(
        architectures.map((exporter) => exporter.name),
        name,
      ).toContain(architecture);
    }
  });
});

describe("resolveFamily", () => {
  it("takes a short name, a base model's id, and any other id", () => {
    expect(resolveFamily("detr-resnet-50", known).base).toBe("facebook/detr-resnet-50");
    expect(resolveFamily("facebook/detr-resnet-50", known).name).toBe("detr-resnet-50");
    expect(resolveFamily("acme/own-base", known)).toMatchObject({ name: "own-base", base: "acme/own-base" });
  });

  it("names alike families when it does not know one", () => {
    expect(() => resolveFamily("detr-resnet", known)).toThrow(
      /unknown family "detr-resnet".*Did you mean.*detr-resnet-50/,
    );
    expect(() => resolveFamily("../../etc", known)).toThrow(/unknown family/);
  });
});
