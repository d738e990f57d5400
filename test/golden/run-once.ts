import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { z } from "zod";
import { sessionOn, type Device } from "../../search/device/device.ts";

export interface RunOptions {
  readonly device: Device;
  /** Of the files with weights that a model in memory names. */
  readonly weightsFolder: string;
}

export interface RunOutcome {
  readonly output: ort.Tensor;
  /** Kinds of nodes that onnxruntime ran on the CPU although another device was asked for, each once. */
  readonly onHost: readonly string[];
}

/** Opens a session for a model (a path, or its bytes), runs it once and closes it. */
export async function runOnce(
  model: string | Uint8Array,
  feeds: Readonly<Record<string, ort.Tensor>>,
  output: string,
  { device, weightsFolder }: RunOptions,
): Promise<RunOutcome> {
  const profiles = device === "cpu" ? null : await mkdtemp(join(tmpdir(), "alsatian-profile-"));
  try {
    const options: ort.InferenceSession.SessionOptions = {
      ...sessionOn(device),
      enableCpuMemArena: false,
      logSeverityLevel: 3,
      ...(profiles !== null && { enableProfiling: true, profileFilePrefix: join(profiles, "run") }),
      ...(typeof model !== "string" && {
        extra: { session: { model_external_initializers_file_folder_path: weightsFolder } },
      }),
    };
    const session = await (typeof model === "string"
      ? ort.InferenceSession.create(model, options)
      : ort.InferenceSession.create(model, options));
    try {
      const result = (await session.run(feeds))[output];
      if (!result) throw new Error(`no output ${output}`);
      if (profiles === null) return { output: result, onHost: [] };
      session.endProfiling();
      return { output: result, onHost: await readHostNodes(profiles) };
    } finally {
      await session.release();
    }
  } finally {
    if (profiles !== null) await rm(profiles, { recursive: true, force: true });
  }
}

const eventSchema = z.object({
  cat: z.string(),
  args: z.object({ op_name: z.string().optional(), provider: z.string().optional() }).optional(),
});

async function readHostNodes(folder: string): Promise<string[]> {
  const found = new Set<string>();
  for (const name of await readdir(folder)) {
    for (const { cat, args } of z.array(eventSchema).parse(JSON.parse(await readFile(join(folder, name), "utf8")))) {
      const isHost = cat === "Node" && args?.provider === "CPUExecutionProvider";
      if (isHost && args?.op_name !== undefined) found.add(args.op_name);
    }
  }
  return [...found].sort();
}
