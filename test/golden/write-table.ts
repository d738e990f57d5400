import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { architectures } from "../../crawler/export/registry.ts";
import { loadFamilies } from "../../crawler/families.ts";
import { packageFile } from "../../crawler/package-file.ts";
import { openBlockStore } from "../../indexer/store/block-store.ts";
import { compareEntry, exportEntry, type Comparison, type DeviceComparison } from "./compare-entry.ts";
import { compareOn } from "./compare-on.ts";
import { hasAllReferences, loadGoldenIndex } from "./golden-index.ts";

/**
 * Writes docs/architectures.md: `npm run docs`. It runs every reference that is at hand, so all of them should be, on the
 * CPU and on WebGPU, so there must be an adapter (scripts/get-swiftshader.sh).
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

/** That one reference may take on WebGPU, where shaders are compiled by software. */
const WEBGPU_MS = 240_000;

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
  const onWebgpu = await compareOnWebgpu([...compared.values()].flat().map(({ id }) => id));
  await writeFile(packageFile("docs", "architectures.md"), await page(compared, onWebgpu));
} finally {
  await rm(home, { recursive: true, force: true });
}

async function compareOnWebgpu(ids: readonly string[]): Promise<ReadonlyMap<string, DeviceComparison>> {
  const found = new Map<string, DeviceComparison>();
  for (const id of ids) {
    const results: (DeviceComparison | Error)[] = [];
    const request = { device: "webgpu", ids: [id] } as const;
    const why = await compareOn(request, (_id, result) => void results.push(result), WEBGPU_MS);
    if (why !== null) throw new Error(`WebGPU has no adapter here: ${why}`);
    for (const result of results) {
      if (result instanceof Error) throw result;
      found.set(id, result);
      process.stderr.write(`${id} on WebGPU: ${worst([result]).toFixed(3)}\n`);
    }
  }
  return found;
}

/** The largest error of an architecture's references, and what runs on the CPU. */
function webgpuWords(comparisons: readonly DeviceComparison[]): string {
  if (comparisons.length === 0) return "by its encoder's";
  const unsupported = [...new Set(comparisons.flatMap((comparison) => comparison.unsupported))];
  const onCpu = unsupported.length > 0 ? `; \`${unsupported.join("`, `")}\` on the CPU` : "";
  return `${worst(comparisons).toFixed(2)}${onCpu}`;
}

function worst(comparisons: readonly Comparison[]): number {
  return Math.max(...comparisons.flatMap(({ blocks, features }) => [...blocks, ...features].map(({ error }) => error)));
}

async function page(
  compared: ReadonlyMap<string, { id: string; comparison: Comparison }[]>,
  onWebgpu: ReadonlyMap<string, DeviceComparison>,
): Promise<string> {
  const families = await loadFamilies();
  const names = [...new Set(architectures.map(({ name }) => name))].sort();
  const rows = names.map((name) => {
    const own = compared.get(name) ?? [];
    const types = architectures.filter((one) => one.name === name).flatMap(({ modelTypes }) => modelTypes);
    const known = families.filter(({ architecture }) => architecture === name).map((family) => family.name);
    const blocks = own.map(({ comparison }) => comparison.blocks.length);
    const range = blocks.length === 0 ? "" : `${Math.min(...blocks)} to ${Math.max(...blocks)}`;
    const error = own.length === 0 ? "by its encoder's" : worst(own.map(({ comparison }) => comparison)).toFixed(2);
    const webgpu = webgpuWords(own.flatMap(({ id }) => onWebgpu.get(id) ?? []));
    return `| ${name} | ${types.map((type) => `\`${type}\``).join(", ")} | ${known.join(", ")} | ${own.length} | ${range} | ${error} | ${webgpu} |`;
  });
  const text = `# Architectures

Made by \`npm run docs\`, which exports every reference model, runs it block by block and as one fused graph, and compares
each block's output and the feature with PyTorch's (transformers 4.57, timm 1.0; float32 on the CPU).

The largest error is over all blocks and features of all references of an architecture, in units of the tolerance
1e-4 + 1e-4 |x| (MobileNetV2: 2e-4): 1 would just pass. Checkpoints may be safetensors, one file or sharded, in float32,
float16 or bfloat16, or torch's \`.bin\` in both of its formats (\`--include-pickle\`; parsed, never executed).

On WebGPU the same references run with SwiftShader as the card, each as one graph that puts out what its blocks make, and no
node is left to the CPU but the operators named there: blocks that have one run on the CPU from the start, and a search says so.

| architecture | \`model_type\` | families known by name | references | blocks in them | largest error | on WebGPU |
|---|---|---|--:|--:|--:|:--|
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
