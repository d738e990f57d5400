import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startLocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import {
  BASE,
  GATED,
  makeFamilyFolder,
  MEMBER_TOKEN,
  modelFiles,
  PRIVATE,
  STRANGER_TOKEN,
  TUNED,
} from "./make-hub-folder.ts";

const run = promisify(execFile);

/** The script is not compiled: it lies beside this file's source, and tests run from `dist`. */
const SCRIPT = fileURLToPath(new URL("../../../test/hub/python-client.py", import.meta.url));

/** An interpreter that has huggingface_hub: `ALSATIAN_PYTHON`, else `python3`. */
async function findPython(): Promise<string | undefined> {
  const python = process.env["ALSATIAN_PYTHON"] ?? "python3";
  return await run(python, ["-c", "import huggingface_hub"]).then(
    () => python,
    () => undefined,
  );
}

const python = await findPython();

it("serves Python's huggingface_hub", async (context) => {
  if (python === undefined) {
    return context.skip("no Python with huggingface_hub: set ALSATIAN_PYTHON to an interpreter that has it");
  }
  await using folder = await makeFamilyFolder();
  await using hub = await startLocalHub({ root: folder.root });
  const home = await mkdtemp(path.join(tmpdir(), "hub-home-"));
  const asked = {
    url: hub.url,
    model: TUNED,
    base: BASE,
    gated: GATED,
    private: PRIVATE,
    dataset: "acme/birds",
    memberToken: MEMBER_TOKEN,
    strangerToken: STRANGER_TOKEN,
  };
  const env = { PATH: process.env["PATH"], HF_HOME: home, HF_ENDPOINT: hub.url, HF_HUB_DISABLE_PROGRESS_BARS: "1" };
  const { stdout } = await run(python, [SCRIPT, JSON.stringify(asked)], { env }).finally(() =>
    rm(home, { recursive: true, force: true }),
  );
  const answers: unknown = JSON.parse(stdout);

  const size = modelFiles(2, "")["model.safetensors"]?.length;
  const sha = expect.stringMatching(/^[0-9a-f]{40}$/);
  const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
  const files = ["README.md", "config.json", "model.safetensors", "onnx/notes.txt"];
  expect(answers).toMatchObject({
    listed: [GATED, TUNED],
    listedByMember: [GATED, PRIVATE, TUNED],
    expanded: [sha],
    gatedOnly: [GATED],
    sha,
    tags: expect.arrayContaining([`base_model:${BASE}`, `base_model:finetune:${BASE}`, "license:mit", "autotrain"]),
    lastModified: "2024-03-01T00:00:00+00:00",
    total: 148,
    lfs: { size, sha256, pointer_size: 128 },
    tree: ["README.md", "config.json", "model.safetensors", "onnx", "onnx/notes.txt"],
    treeLfs: [sha256],
    paths: ["onnx", "config.json"],
    metadata: [sha, sha256, size],
    small: [sha, sha, expect.any(Number)],
    tensors: ["head.weight", "stem.weight"],
    parameters: { F32: 148 },
    seed: 3,
    weightsBytes: size,
    files,
    parquetBytes: 3000,
    whoami: "member",
    errors: {
      gated: "GatedRepoError",
      gatedStranger: "GatedRepoError",
      private: "RepositoryNotFoundError",
      missing: "RepositoryNotFoundError",
      missingWithToken: "RepositoryNotFoundError",
      missingFile: expect.stringMatching(/^(Remote)?EntryNotFoundError$/),
      missingRevision: "RevisionNotFoundError",
      badRequest: "BadRequestError",
    },
  });
  expect(hub.requests.some(({ kind, authorized }) => kind === "cdn" && authorized)).toBe(false);
  expect(hub.requests.some(({ kind }) => kind === "cdn")).toBe(true);
});
