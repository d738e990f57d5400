import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { InputError } from "../crawler/errors.ts";
import { inputDims, type ModelInput, type TensorInfo } from "../crawler/export/graph.ts";
import { layoutWeights } from "../crawler/export/weight-layout.ts";
import { fileInputs } from "../crawler/export/file-inputs.ts";
import { openDims } from "../crawler/export/open-dims.ts";
import { writeOnnx, type ChainInput, type GraphWithWeights, type LinearHead } from "../crawler/export/write-onnx.ts";
import type { CatalogReader } from "./catalog/catalog-reader.ts";
import type { BlockStore } from "./store/block-store.ts";
import { writeDurably } from "./store/durable-file.ts";
import { storedChain, type ChainLink } from "./store/stored-chain.ts";

export interface ExportedModel {
  readonly model: string;
  readonly revision: string;
  /** Paths of what was written. */
  readonly files: readonly string[];
  readonly bytes: number;
  readonly blocks: number;
}

export interface ExportOptions {
  readonly reader: CatalogReader;
  readonly store: BlockStore;
  readonly modelId: string;
  readonly folder: string;
  /** Also writes each block as a file of its own: `blocks/000.onnx`, …, input `x`, output `y`. */
  readonly blocks: boolean;
  /** A classifier behind the feature: output `logits`. */
  readonly head?: LinearHead;
  readonly signal?: AbortSignal;
}

/** Weights of a block begin at a page of the weight file, so that they can be mapped. */
const PAGE = 4096;

/**
 * Writes a model as `model.onnx` with its weights in `model.onnx.data` beside it: inputs and output as the README's
 * section on exported models says.
 * @throws InputError when the catalog does not hold the model's blocks
 */
export async function exportModel(options: ExportOptions): Promise<ExportedModel> {
  const { reader, store, modelId, folder, signal } = options;
  const entry = await reader.readModel(modelId);
  const chain = (await reader.chains([modelId])).get(modelId);
  if (!entry || !chain || entry.model.headGraph === null || entry.model.input === null) {
    const why = entry
      ? `its status is ${entry.model.status}${entry.model.reason ? `: ${entry.model.reason}` : ""}`
      : "it was not crawled";
    throw new InputError(`${modelId} cannot be exported: ${why}`);
  }
  const input = JSON.parse(entry.model.input) as ModelInput;
  const links: ChainLink[] = [...chain, { name: "feature", graphHash: entry.model.headGraph, blockId: null }];
  await mkdir(folder, { recursive: true });
  const parts = await storedChain(store, links);
  const weights = await gatherWeights(store, chain, parts, join(folder, "model.onnx.data"), signal);
  const { bytes } = writeOnnx(
    relocate(parts, "model.onnx.data", weights.offsets),
    {
      graphName: modelId,
      inputs: chainInputs(input),
      outputName: "feature",
      metadata: { model_id: modelId, revision: entry.model.revision },
    },
    options.head,
  );
  const files = [join(folder, "model.onnx"), join(folder, "model.onnx.data")];
  await writeDurably(join(folder, "model.onnx"), bytes);
  if (options.blocks) files.push(...(await exportBlocks(options, links.slice(0, -1), input)));
  return {
    model: modelId,
    revision: entry.model.revision,
    files,
    bytes: bytes.byteLength + weights.bytes,
    blocks: chain.length,
  };
}

/** Each block with its weights beside it. */
async function exportBlocks(
  { store, folder, signal }: ExportOptions,
  links: readonly ChainLink[],
  input: ModelInput,
): Promise<string[]> {
  await mkdir(join(folder, "blocks"), { recursive: true });
  const files: string[] = [];
  let info: TensorInfo = { dims: inputDims(input) };
  for (const [index, link] of links.entries()) {
    const name = String(index).padStart(3, "0");
    const parts = await storedChain(store, [link]);
    const data = `${name}.onnx.data`;
    const { offsets } = await gatherWeights(store, [link], parts, join(folder, "blocks", data), signal);
    const { bytes, output } = writeOnnx(relocate(parts, data, offsets), {
      graphName: link.name,
      inputs: fileInputs(
        parts.map((part) => part.graph),
        info,
      ),
      outputName: "y",
    });
    info = output;
    files.push(join(folder, "blocks", `${name}.onnx`), join(folder, "blocks", data));
    await writeDurably(join(folder, "blocks", `${name}.onnx`), bytes);
  }
  return files;
}

/** The inputs of a whole model (DESIGN: `pixel_values`, or `input_ids` and `attention_mask`). */
function chainInputs(input: ModelInput): ChainInput[] {
  const info = { dims: inputDims(input) };
  if (input.kind === "image") {
    return [{ value: { name: "pixel_values", type: "float", dims: ["batch", ...openDims(info)] }, info }];
  }
  return input.names.map((name) => ({ value: { name, type: "int64", dims: ["batch", "length"] }, info }));
}

/** Copies the blocks' weight files into one, each at a page of its own. */
async function gatherWeights(
  store: BlockStore,
  links: readonly Pick<ChainLink, "blockId">[],
  parts: readonly GraphWithWeights[],
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly offsets: readonly number[]; readonly bytes: number }> {
  const offsets: number[] = [];
  let end = 0;
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, "wx");
  try {
    for (const [index, { blockId }] of links.entries()) {
      const part = parts[index];
      if (blockId === null || !part) continue;
      const begin = Math.ceil(end / PAGE) * PAGE;
      let at = begin;
      for await (const chunk of createReadStream(store.weightsPath(blockId), { signal }) as AsyncIterable<Uint8Array>) {
        await file.write(chunk, 0, chunk.byteLength, at);
        at += chunk.byteLength;
      }
      offsets.push(begin);
      end = begin + layoutWeights(part.graph).bytes;
    }
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (cause) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw cause;
  }
  return { offsets, bytes: end };
}

/** The same graphs with their weights at other places. */
const relocate = (
  parts: readonly GraphWithWeights[],
  location: string,
  offsets: readonly number[],
): GraphWithWeights[] =>
  parts.map((part, index) => ({
    ...part,
    data: (slot) => {
      const data = part.data(slot);
      return data.kind !== "external" ? data : { ...data, location, offset: data.offset + (offsets[index] ?? 0) };
    },
  }));
