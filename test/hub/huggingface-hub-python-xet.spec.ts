import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startLocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { makeFamilyMember } from "./make-family.ts";
import { makeHubFolder } from "./make-hub-folder.ts";

const run = promisify(execFile);

/** The script is not compiled: it lies beside this file's source, and tests run from `dist`. */
const SCRIPT = fileURLToPath(new URL("../../../test/hub/python-client-xet.py", import.meta.url));

const python = process.env["ALSATIAN_PYTHON"] ?? "python3";
const hasXet = await run(python, ["-c", "import huggingface_hub, hf_xet"]).then(
  () => true,
  () => false,
);

it("serves Python's hf_xet", async (context) => {
  if (!hasXet) {
    return context.skip(
      "no Python with huggingface_hub and hf_xet: set ALSATIAN_PYTHON to an interpreter that has them",
    );
  }
  const members = [makeFamilyMember({}), makeFamilyMember({ lastLayer: 2, head: 2 })];
  const ids = ["acme/base", "acme/tuned"];
  await using folder = await makeHubFolder(
    Object.fromEntries(members.map(({ files }, index) => [ids[index] ?? "", files])),
  );
  await using hub = await startLocalHub({ root: folder.root, xet: { xorbBytes: 1_000_000 } });
  const home = await mkdtemp(path.join(tmpdir(), "hub-home-"));
  const env = { PATH: process.env["PATH"], HF_HOME: home, HF_ENDPOINT: hub.url, HF_HUB_DISABLE_PROGRESS_BARS: "1" };
  const asked = { url: hub.url, files: ids.map((id) => [id, "model.safetensors"]) };
  const { stdout } = await run(python, [SCRIPT, JSON.stringify(asked)], { env }).finally(() =>
    rm(home, { recursive: true, force: true }),
  );
  expect(JSON.parse(stdout)).toEqual(
    members.map(({ weights }) => [
      expect.stringMatching(/^[0-9a-f]{64}$/),
      createHash("sha256").update(weights).digest("hex"),
    ]),
  );
  expect(hub.requests.some(({ kind, status }) => kind === "cas" && status === 200)).toBe(true);
  expect(hub.requests.filter(({ kind }) => kind === "cdn").every(({ path }) => path.startsWith("/xorbs/"))).toBe(true);
});
