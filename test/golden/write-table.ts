import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { architectures } from "../../crawler/export/registry.ts";
import { loadFamilies } from "../../crawler/families.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { compareEntry, exportEntry, type Comparison } from "./compare-entry.ts";
import { hasAllReferences, loadGoldenIndex } from "./golden-index.ts";

/**
 * Writes docs/architectures.md: `npm run docs`. It runs every reference that is at hand, so all of them should be.
 */
const NOT_SUPPORTED: readonly (readonly [what: string, why: string])[] = [
  ["quantised weights (int8, 4 bit, …)", "blocks are computed in float32; a quantised block is another function"],
  ["adapters (LoRA, …) without base weights", "there is no backbone in the repository; crawl the merged model"],
  ["`auto_map` models with code of their own", "code from a repository is never executed"],
  ["timm's ResNets with another stem or shortcut (`resnet50d`, ResNeXt, wide, SE)", "no exporter yet"],
  ["timm ViTs that are not plain pre-norm (`*_xp`, `*_rpn`, diff attention)", "no exporter yet"],
  ["timm EfficientNets with condconv, group norm, pruning or `gc_`", "no exporter yet"],
  ["Swin with `use_absolute_embeddings`", "transformers itself fails on it: N + 1 positions for N tokens"],
  ["patches that are not square, pictures of other than 3 channels", "the preprocessors make square patches of RGB"],
  ["pruned attention heads", "layers of one model would have different shapes than its configuration says"],
  ["activations outside transformers' common ones", "named in the model's reason"],
  [
    "tokenizers that are only sentencepiece files",
    "`tokenizer.json`, or BERT's and RoBERTa's vocabulary files, are read",
  ],
];

const home = await mkdtemp(join(tmpdir(), "alsatian-table-"));
try {
  if (!hasAllReferences()) process.stderr.write("only the references that ship are here\n");
  const store = openBlockStore(home);
  const compared = new Map<string, { id: string; comparison: Comparison }[]>();
  for (const entry of await loadGoldenIndex()) {
    const exported = await exportEntry(entry, store);
    if (exported instanceof Error) throw exported;
    const comparison = await compareEntry(entry, store, exported);
    const list = compared.get(comparison.architecture) ?? [];
    compared.set(comparison.architecture, [...list, { id: entry.id, comparison }]);
    process.stderr.write(`${entry.id}: ${worst([comparison]).toFixed(3)}\n`);
  }
  await writeFile(packageFile("docs", "architectures.md"), await page(compared));
} finally {
  await rm(home, { recursive: true, force: true });
}

function worst(comparisons: readonly Comparison[]): number {
  return Math.max(...comparisons.flatMap(({ blocks, features }) => [...blocks, ...features].map(({ error }) => error)));
}

async function page(compared: ReadonlyMap<string, { id: string; comparison: Comparison }[]>): Promise<string> {
  const families = await loadFamilies();
  const names = [...new Set(architectures.map(({ name }) => name))].sort();
  const rows = names.map((name) => {
    const own = compared.get(name) ?? [];
    const types = architectures.filter((one) => one.name === name).flatMap(({ modelTypes }) => modelTypes);
    const known = families.filter(({ architecture }) => architecture === name).map((family) => family.name);
    const blocks = own.map(({ comparison }) => comparison.blocks.length);
    const range = blocks.length === 0 ? "" : `${Math.min(...blocks)} to ${Math.max(...blocks)}`;
    const error = own.length === 0 ? "by its encoder's" : worst(own.map(({ comparison }) => comparison)).toFixed(2);
    return `| ${name} | ${types.map((type) => `\`${type}\``).join(", ")} | ${known.join(", ")} | ${own.length} | ${range} | ${error} |`;
  });
  const text = `# Architectures

Made by \`npm run docs\`, which exports every reference model, runs it block by block and as one fused graph, and compares
each block's output and the feature with PyTorch's (transformers 4.57, timm 1.0; float32 on the CPU).

The largest error is over all blocks and features of all references of an architecture, in units of the tolerance
1e-4 + 1e-4 |x| (MobileNetV2: 2e-4): 1 would just pass. Checkpoints may be safetensors, one file or sharded, in float32,
float16 or bfloat16, or torch's \`.bin\` in both of its formats (\`--include-pickle\`; parsed, never executed).

| architecture | \`model_type\` | families known by name | references | blocks in them | largest error |
|---|---|---|--:|--:|--:|
${rows.join("\n")}

Any other base model of these types works too: \`--family org/name\`.

## Not supported

Such models are in the catalog with status \`unsupported\` and a reason of their own.

| what | why |
|---|---|
${NOT_SUPPORTED.map(([what, why]) => `| ${what} | ${why} |`).join("\n")}
`;
  const options = await resolveConfig(packageFile("package.json"));
  return format(text, { ...options, parser: "markdown" });
}
