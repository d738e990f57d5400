import type { Checkpoint, CheckpointTensor } from "../../crawler/checkpoint/open-checkpoint.ts";
import { elementCount } from "../../crawler/export/graph.ts";

/** Models of the benchmark: names and shapes of their tensors as their publishers have them, without weights. */
export const BENCH_ARCHITECTURES = ["resnet-18", "resnet-50", "vit-small", "bert-small"] as const;
export type BenchArchitecture = (typeof BENCH_ARCHITECTURES)[number];

export interface FakeModel {
  readonly config: Readonly<Record<string, unknown>>;
  readonly checkpoint: Checkpoint;
}

type Shapes = Record<string, readonly number[]>;

export function fakeModel(architecture: BenchArchitecture): FakeModel {
  switch (architecture) {
    case "resnet-18":
      return fakeResNet([2, 2, 2, 2], "basic");
    case "resnet-50":
      return fakeResNet([3, 4, 6, 3], "bottleneck");
    case "vit-small":
      return fakeViT({ width: 384, layers: 12, heads: 6, patch: 16, image: 224 });
    case "bert-small":
      return fakeBert({ width: 512, layers: 4, heads: 8, vocabulary: BERT_VOCABULARY, positions: 512 });
  }
}

/** Tokens of BERT's English vocabulary. */
export const BERT_VOCABULARY = 30_522;

function convNorm(shapes: Shapes, conv: string, norm: string, shape: readonly number[]): void {
  shapes[`${conv}.weight`] = shape;
  for (const part of ["weight", "bias", "running_mean", "running_var"]) shapes[`${norm}.${part}`] = shape.slice(0, 1);
}

/** microsoft/resnet-18 and -50: the widths of the four stages are fixed. */
function fakeResNet(depths: readonly number[], unit: "basic" | "bottleneck"): FakeModel {
  const shapes: Shapes = {};
  const stem = "resnet.embedder.embedder";
  convNorm(shapes, `${stem}.convolution`, `${stem}.normalization`, [64, 3, 7, 7]);
  const widths = unit === "basic" ? [64, 128, 256, 512] : [256, 512, 1024, 2048];
  let before = 64;
  depths.forEach((units, stage) => {
    const width = widths[stage] ?? 0;
    for (let index = 0; index < units; index++) {
      const path = `resnet.encoder.stages.${stage}.layers.${index}`;
      if (index === 0 && (before !== width || stage > 0)) {
        convNorm(shapes, `${path}.shortcut.convolution`, `${path}.shortcut.normalization`, [width, before, 1, 1]);
      }
      const inner = width / 4;
      const branch =
        unit === "basic"
          ? [
              [width, before, 3, 3],
              [width, width, 3, 3],
            ]
          : [
              [inner, before, 1, 1],
              [inner, inner, 3, 3],
              [width, inner, 1, 1],
            ];
      branch.forEach((shape, layer) =>
        convNorm(shapes, `${path}.layer.${layer}.convolution`, `${path}.layer.${layer}.normalization`, shape),
      );
      before = width;
    }
  });
  return { config: { model_type: "resnet", depths, layer_type: unit }, checkpoint: checkpointOf(shapes) };
}

function linear(shapes: Shapes, path: string, outputs: number, inputs: number): void {
  shapes[`${path}.weight`] = [outputs, inputs];
  shapes[`${path}.bias`] = [outputs];
}

function norm(shapes: Shapes, path: string, width: number): void {
  shapes[`${path}.weight`] = [width];
  shapes[`${path}.bias`] = [width];
}

export interface ViTSize {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly patch: number;
  readonly image: number;
}

/** A ViT of any size, spelled as WinKawaks/vit-small-patch16-224 and google's own are. */
export function fakeViT({ width, layers, heads, patch, image }: ViTSize): FakeModel {
  const shapes: Shapes = {
    "vit.embeddings.cls_token": [1, 1, width],
    "vit.embeddings.position_embeddings": [1, (image / patch) ** 2 + 1, width],
    "vit.embeddings.patch_embeddings.projection.weight": [width, 3, patch, patch],
    "vit.embeddings.patch_embeddings.projection.bias": [width],
  };
  for (let layer = 0; layer < layers; layer++) {
    const path = `vit.encoder.layer.${layer}`;
    norm(shapes, `${path}.layernorm_before`, width);
    for (const part of ["query", "key", "value"]) {
      linear(shapes, `${path}.attention.attention.${part}`, width, width);
    }
    linear(shapes, `${path}.attention.output.dense`, width, width);
    norm(shapes, `${path}.layernorm_after`, width);
    linear(shapes, `${path}.intermediate.dense`, 4 * width, width);
    linear(shapes, `${path}.output.dense`, width, 4 * width);
  }
  norm(shapes, "vit.layernorm", width);
  const config = {
    model_type: "vit",
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: 4 * width,
    image_size: image,
    patch_size: patch,
  };
  return { config, checkpoint: checkpointOf(shapes) };
}

interface BertSize {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly positions: number;
}

/** google/bert_uncased_L-4_H-512_A-8 (arXiv 1908.08962) */
function fakeBert({ width, layers, heads, vocabulary, positions }: BertSize): FakeModel {
  const shapes: Shapes = {
    "bert.embeddings.word_embeddings.weight": [vocabulary, width],
    "bert.embeddings.position_embeddings.weight": [positions, width],
    "bert.embeddings.token_type_embeddings.weight": [2, width],
  };
  norm(shapes, "bert.embeddings.LayerNorm", width);
  for (let layer = 0; layer < layers; layer++) {
    const path = `bert.encoder.layer.${layer}`;
    for (const part of ["query", "key", "value"]) linear(shapes, `${path}.attention.self.${part}`, width, width);
    linear(shapes, `${path}.attention.output.dense`, width, width);
    norm(shapes, `${path}.attention.output.LayerNorm`, width);
    linear(shapes, `${path}.intermediate.dense`, 4 * width, width);
    linear(shapes, `${path}.output.dense`, width, 4 * width);
    norm(shapes, `${path}.output.LayerNorm`, width);
  }
  const config = {
    model_type: "bert",
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: 4 * width,
    max_position_embeddings: positions,
    vocab_size: vocabulary,
  };
  return { config, checkpoint: checkpointOf(shapes) };
}

const FILE = "model.safetensors";

/** The tensors one after the other, as a header would place them. */
function checkpointOf(shapes: Readonly<Shapes>): Checkpoint {
  const tensors = new Map<string, CheckpointTensor>();
  let begin = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const end = begin + 4 * elementCount(shape);
    tensors.set(name, { name, dtype: "F32", shape, begin, end, file: FILE });
    begin = end;
  }
  return { tensors, files: [FILE] };
}
