import { expect, it } from "vitest";
import { gitObjectId, gitTree, lfsPointer } from "./git-objects.ts";

it("gives the ids that git gives", () => {
  expect(gitObjectId("blob", "")).toBe("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  expect(gitObjectId("blob", "hello\n")).toBe("ce013625030ba8dba906f756967f9e9ca394464a");
  expect(gitTree([]).oid).toBe("4b825dc642cb6eb9a060e54bf8d69288fbee4904");
});

// Made with `git hash-object` and `git write-tree`. `a.b` stands before the folder `a`, which git sorts as `a/`.
it("orders a tree as git does", () => {
  const oid = gitObjectId("blob", "hello\n");
  const tree = gitTree(["a/c.txt", "a.b", "z"].map((path) => ({ path, oid })));
  expect(tree).toEqual({
    oid: "27a0740d579723c48f427ab23878837d7baacb04",
    folders: [{ path: "a", oid: "2bcada35da78a7011b5497fcf851bb11e2353a39" }],
  });
});

it("writes a pointer as git-lfs does", () => {
  expect(lfsPointer("ab", 12)).toBe("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n");
});
