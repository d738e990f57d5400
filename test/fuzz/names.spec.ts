import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../crawler/errors.ts";
import { isModelId, loadFamilies, resolveFamily } from "../../crawler/families.ts";
import { checkListedFile } from "../../crawler/hub/check-listed-file.ts";
import { printableText } from "../../crawler/printable-text.ts";
import { fuzzSettings, oddJson, refusalOf } from "./fuzz.ts";

const HUB = "https://hub.example";
const odd = fc.constantFrom(
  ...["..", ".", "/", "\\", "\0", "%2e%2e", "C:", "~", "?", "#", "@", ":", "\u001b[31m", "\u202e", " ", "\n", "'; --"],
  ...["org", "name", "a", "model.safetensors", "-", "_"],
);
const text = fc.oneof(
  fc.array(odd, { maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary" }),
);

describe("model ids", () => {
  it("are accepted only where they are one place of the hub, in an address, in SQL and on a terminal", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          fc.tuple(text, text).map((parts) => parts.join("/")),
        ),
        (id) => {
          if (!isModelId(id)) return;
          expect(new URL(`${HUB}/api/models/${id}?x`).pathname).toBe(`/api/models/${id}`);
          expect(printableText(id)).toBe(id);
          expect(id).toMatch(/^[\w.-]+\/[\w.-]+$/);
        },
      ),
      fuzzSettings(),
    );
  });

  it("name a family, or are wrong input that can be printed", async () => {
    const known = await loadFamilies();
    fc.assert(
      fc.property(text, (name) => {
        try {
          expect(isModelId(resolveFamily(name, known).base) || known.some(({ base }) => base === name)).toBe(true);
        } catch (cause) {
          expect(cause).toBeInstanceOf(InputError);
        }
      }),
      fuzzSettings(),
    );
  });
});

describe("checkListedFile", () => {
  const root = `${HUB}/org/name/resolve/main/`;

  it("accepts only paths below the repository, whatever the hub lists", () => {
    const entry = fc.record({
      path: fc.oneof(text, oddJson()),
      size: fc.oneof(fc.nat(), oddJson()),
      oid: oddJson(),
      lfs: fc.constantFrom(undefined, { oid: "a".repeat(64) }, { oid: 5 }, { oid: "../.." }),
    });
    fc.assert(
      fc.property(entry, (listed) => {
        try {
          const { path, size, sha256 } = checkListedFile(listed);
          const address = new URL(root + path.split("/").map(encodeURIComponent).join("/"));
          expect(decodeURIComponent(address.href.slice(root.length))).toBe(path);
          expect(address.href.startsWith(root)).toBe(true);
          expect(size >= 0 && Number.isSafeInteger(size)).toBe(true);
          expect(sha256 === null || /^[0-9a-f]{64}$/.test(sha256)).toBe(true);
        } catch (cause) {
          if (cause instanceof URIError) return; // half a surrogate pair: no address, and no file of git's
          expect(refusalOf(cause)).toMatch(/^the repository lists/);
        }
      }),
      fuzzSettings(),
    );
  });

  it.each(["model.safetensors", "onnx/model.onnx", ".gitattributes", "a..b/c...d", "ünïcode 模型.json", "1_Pooling/x"])(
    "accepts %s",
    (path) => {
      expect(checkListedFile({ path, size: 1 }).path).toBe(path);
    },
  );

  it.each(["../x", "a/../../x", "/etc/passwd", "C:\\x", "c:x", "a\\b", "a\0b", "", "a//b", ".", "a/.", "\u001b[2Jx"])(
    "refuses %j",
    (path) => {
      expect(() => checkListedFile({ path, size: 1 })).toThrow("no path inside a repository");
    },
  );
});
