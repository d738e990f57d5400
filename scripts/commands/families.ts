import { loadFamilies, shortName } from "../../crawler/families.ts";
import type { FamilySummary } from "../../indexer/catalog/list-families.ts";
import { formatTable } from "../terminal/table.ts";
import { EXIT, readCatalog, type Command } from "./common.ts";

export const familiesCommand: Command<object> = {
  command: "families",
  describe: "the families known by name, and how many of their models are indexed",
  builder: (yargs) => yargs,
  async handler(_argv, { home, output }) {
    const crawled = await crawledFamilies(home);
    const known = await loadFamilies();
    const others = [...crawled.keys()].filter((base) => !known.some((family) => family.base === base));
    const families = [
      ...known,
      ...others.map((base) => ({ name: shortName(base), base, task: "", architecture: "" })),
    ].map((family) => {
      const { models = 0, indexed = 0 } = crawled.get(family.base) ?? {};
      return { ...family, models, indexed };
    });
    output.json({ families });
    output.print(
      formatTable(
        [
          { title: "family" },
          { title: "base model" },
          { title: "task" },
          { title: "models", isNumber: true },
          { title: "indexed", isNumber: true },
        ],
        families.map(({ name, base, task, models, indexed }) => [name, base, task, String(models), String(indexed)]),
      ),
    );
    return EXIT.done;
  },
};

async function crawledFamilies(home: string): Promise<Map<string, FamilySummary>> {
  const families = await readCatalog(home, (reader) => reader.families());
  return new Map((families ?? []).map((family) => [family.base, family]));
}
