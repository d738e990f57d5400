import { expect, it } from "vitest";
import { HubError } from "./hub-error.ts";
import { parseRoute } from "./router.ts";

const model = { type: "model", id: "org/name" };

it.each([
  ["/api/models", { kind: "list", type: "model" }],
  ["/api/datasets", { kind: "list", type: "dataset" }],
  ["/api/models/org/name", { kind: "info", ...model, revision: "main" }],
  ["/api/models/org/name/revision/refs%2Fpr%2F1", { kind: "info", ...model, revision: "refs/pr/1" }],
  ["/api/models/org/name/tree/main/a%2Fb/c", { kind: "tree", ...model, revision: "main", path: "a/b/c" }],
  ["/api/models/org/name/paths-info/main", { kind: "paths-info", ...model, revision: "main", path: "" }],
  ["/org/name/resolve/main/a/b%20c", { kind: "resolve", ...model, revision: "main", path: "a/b c" }],
  ["/org/name/raw/main/a", { kind: "raw", ...model, revision: "main", path: "a" }],
  ["/datasets/o/n/resolve/main/a", { kind: "resolve", type: "dataset", id: "o/n", revision: "main", path: "a" }],
  ["/api/resolve-cache/models/org/name/abc/a/b", { kind: "resolve-cache", ...model, revision: "abc", path: "a/b" }],
])("understands %s", (pathname, route) => {
  expect(parseRoute(pathname)).toEqual(route);
});

it.each([
  ["/org/name/resolve/main/..%2F..%2Fsecret", 400],
  ["/org/name/resolve/main/a%5C..%5Csecret", 400],
  ["/org/name/resolve/main/a%00", 400],
  ["/org/name/resolve/main/%2Fetc%2Fpasswd", 400],
  ["/org/name/resolve/main/%zz", 400],
  ["/org/name", 404],
  ["/api/spaces", 404],
  ["/api/models/org/name/nothing", 404],
])("refuses %s", (pathname, status) => {
  expect(() => parseRoute(pathname)).toThrow(expect.objectContaining({ status }));
  expect(() => parseRoute(pathname)).toThrow(HubError);
});
