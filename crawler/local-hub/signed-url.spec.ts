import { expect, it } from "vitest";
import { isSignatureValid, signUrl } from "./signed-url.ts";

const key = Buffer.from("a key of this test");
const url = new URL("http://cdn.test/repos/a/b?response-content-disposition=inline");
const signed = signUrl({ url, key, expiresAtMs: 60_000 });

it("works until it expires", () => {
  expect(isSignatureValid(signed, key, 59_999)).toBe(true);
  expect(isSignatureValid(signed, key, 60_000)).toBe(false);
});

it.each([
  ["another path", (copy: URL) => (copy.pathname = "/repos/a/c")],
  ["a later end", (copy: URL) => copy.searchParams.set("Expires", "9999")],
  ["another parameter", (copy: URL) => copy.searchParams.set("response-content-disposition", "attachment")],
  ["no signature", (copy: URL) => copy.searchParams.delete("Signature")],
  ["a shorter signature", (copy: URL) => copy.searchParams.set("Signature", "x")],
])("refuses a link with %s", (_, change) => {
  const copy = new URL(signed);
  change(copy);
  expect(isSignatureValid(copy, key, 0)).toBe(false);
});

it("refuses another key", () => {
  expect(isSignatureValid(signed, Buffer.from("another"), 0)).toBe(false);
});
