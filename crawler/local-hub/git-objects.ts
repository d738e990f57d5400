import { createHash } from "node:crypto";

/** A file as a git tree sees it. */
export interface TreeFile {
  readonly path: string;
  readonly oid: string;
}

export interface GitTree {
  readonly oid: string;
  /** Every folder below the root with the id of its own tree, by path. */
  readonly folders: readonly TreeFile[];
}

/** The id that git gives an object of a kind with this content. */
export function gitObjectId(kind: "blob" | "tree" | "commit", content: string | Uint8Array): string {
  const bytes = Buffer.from(content);
  return createHash("sha1").update(`${kind} ${bytes.length}\0`).update(bytes).digest("hex");
}

/** What git stores in place of a large file. */
export const lfsPointer = (sha256: string, size: number): string =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;

/** The tree objects for a list of files, exactly as `git write-tree` would make them (all files with mode 100644). */
export function gitTree(files: readonly TreeFile[]): GitTree {
  const folders: TreeFile[] = [];

  function treeId(members: readonly TreeFile[], prefix: string): string {
    const children = new Map<string, TreeFile[]>();
    const entries: { readonly key: string; readonly mode: string; readonly name: string; readonly oid: string }[] = [];
    for (const file of members) {
      const name = file.path.slice(prefix.length);
      const slash = name.indexOf("/");
      if (slash < 0) entries.push({ key: name, mode: "100644", name, oid: file.oid });
      else children.set(name.slice(0, slash), [...(children.get(name.slice(0, slash)) ?? []), file]);
    }
    for (const [name, below] of children) {
      const oid = treeId(below, `${prefix}${name}/`);
      folders.push({ path: prefix + name, oid });
      entries.push({ key: `${name}/`, mode: "40000", name, oid }); // git sorts a folder as if its name ended in a slash
    }
    entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    return gitObjectId(
      "tree",
      Buffer.concat(
        entries.flatMap(({ mode, name, oid }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, "hex")]),
      ),
    );
  }

  const oid = treeId(files, "");
  return { oid, folders: folders.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** The id of a commit of this tree. Author and time are fixed, so equal files give an equal id on every machine. */
export function gitCommitId(treeOid: string, message: string): string {
  const author = "local-hub <local-hub@localhost> 0 +0000";
  return gitObjectId("commit", `tree ${treeOid}\nauthor ${author}\ncommitter ${author}\n\n${message}\n`);
}
