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

/** A kind of node that onnxruntime ran on the CPU although another device was asked for. */
export interface HostNode {
  readonly opType: string;
  /** Whether it takes floats; others count tokens and work out shapes, in whole numbers that are on the host anyway. */
  readonly takesFloats: boolean;
}

export interface RunOutcome {
  readonly outputs: Readonly<Record<string, ort.Tensor>>;
  readonly onHost: readonly HostNode[];
}

/** Opens a session for a model (a path, or its bytes), runs it once and closes it. */
export async function runOnce(
  model: string | Uint8Array,
  feeds: Readonly<Record<string, ort.Tensor>>,
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
      const outputs = await session.run(feeds);
      if (profiles === null) return { outputs, onHost: [] };
      session.endProfiling();
      return { outputs, onHost: await readHostNodes(profiles) };
    } finally {
      await session.release();
    }
  } finally {
    if (profiles !== null) await rm(profiles, { recursive: true, force: true });
  }
}

const eventSchema = z.object({
  cat: z.string(),
  args: z
    .object({
      op_name: z.string(),
      provider: z.string(),
      /** One object an input: its type -> its shape. */
      input_type_shape: z.array(z.record(z.string(), z.unknown())),
    })
    .partial()
    .optional(),
});

/** Of a profile, each kind once. */
async function readHostNodes(folder: string): Promise<HostNode[]> {
  const found = new Map<string, HostNode>();
  for (const name of await readdir(folder)) {
    for (const { cat, args } of z.array(eventSchema).parse(JSON.parse(await readFile(join(folder, name), "utf8")))) {
      if (cat !== "Node" || args?.provider !== "CPUExecutionProvider") continue;
      const types = (args.input_type_shape ?? []).flatMap((input) => Object.keys(input));
      const node = { opType: args.op_name ?? "", takesFloats: types.some((type) => type.startsWith("float")) };
      found.set(JSON.stringify(node), node);
    }
  }
  return [...found.values()];
}
