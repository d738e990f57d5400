import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { InputError } from "../../crawler/errors.ts";
import { byCodeUnits, type ImageDataSet, type ImageItem } from "./data-set.ts";
import { HELD_BACK_SHARE, holdBack } from "./hold-back.ts";
import { TABLE_EXTENSIONS } from "./open-table.ts";

const PICTURES = new Set([".png", ".jpg", ".jpeg", ".webp"]);
const TRAIN_FOLDERS = ["train", "training"];
/** In this order: a validation part is only tested on where there is no test part. */
const TEST_FOLDERS = ["test", "val", "validation", "valid"];

export interface ImageFolderOptions {
  /** The folder: `train/<class>/*` with `test/` or `val/` beside it, or `<class>/*`. */
  readonly path: string;
  /** Another folder `<class>/*` to test on. */
  readonly test?: string | undefined;
  /** Decides what is held back where there is no test part. */
  readonly seed?: number | undefined;
}

/**
 * Lists a folder of pictures, one folder a class. The pictures themselves are not read.
 * @throws InputError when the folder is not laid out like this, or a class is empty or only in the test part
 */
export async function loadImageFolder({ path, test, seed = 0 }: ImageFolderOptions): Promise<ImageDataSet> {
  const root = resolve(path);
  const folders = (await listFolder(root)).folders;
  const trainFolder = TRAIN_FOLDERS.find((name) => folders.includes(name));
  const testFolders = TEST_FOLDERS.filter((name) => folders.includes(name));
  if (trainFolder === undefined && testFolders.length > 0 && folders.every((name) => testFolders.includes(name))) {
    throw new InputError(`${path} has ${testFolders.join(", ")} but no train folder to learn from`);
  }
  const prefix = trainFolder === undefined ? [] : [trainFolder];
  const learnt = await listClasses(root, prefix, path);
  requireClasses(learnt, join(path, ...prefix));
  const classes = learnt.map(({ name }) => name);
  const shared = { kind: "image", name: basename(root), classes } as const;
  const items = toItems(learnt, classes);

  const [testFolder] = trainFolder === undefined ? [] : testFolders;
  const ignored = learnt.reduce((sum, { others }) => sum + others, 0);
  const notes = ignored > 0 ? [`${ignored} other files ignored (pictures are ${[...PICTURES].join(", ")})`] : [];
  if (test !== undefined || testFolder !== undefined) {
    const tested =
      test === undefined
        ? await listClasses(root, [testFolder ?? ""], path)
        : await listClasses(resolve(test), [], test);
    requireKnownClasses(tested, classes, test ?? join(path, testFolder ?? ""));
    if (test === undefined && testFolders.length > 1)
      notes.push(`tested on ${testFolder}, not on ${testFolders.slice(1).join(", ")}`);
    return { ...shared, train: items, test: toItems(tested, classes), notes };
  }
  const parts = holdBack(items, classes, seed);
  notes.push(
    `no test folder: ${HELD_BACK_SHARE * 100} % of each class held back (${parts.test.length} of ${items.length})`,
  );
  return { ...shared, ...parts, notes };
}

interface ClassFolder {
  readonly name: string;
  /** Relative to the data set, with slashes, and absolute. Sorted. */
  readonly pictures: readonly { readonly id: string; readonly path: string }[];
  /** How many files are no pictures by their names. */
  readonly others: number;
}

async function listClasses(root: string, prefix: readonly string[], shown: string): Promise<ClassFolder[]> {
  const { folders, files } = await listFolder(join(root, ...prefix), join(shown, ...prefix));
  if (folders.length === 0) {
    const found = files.length > 0 ? `${files.length} files, but no folders` : "nothing";
    const table = files.find((name) => TABLE_EXTENSIONS.includes(extname(name).toLowerCase()));
    const hint = table === undefined ? "" : `. For the data set in ${table}, name that file`;
    throw new InputError(
      `${join(shown, ...prefix)} holds ${found}; expected one folder for each class, with its pictures (${[...PICTURES].join(", ")})${hint}`,
    );
  }
  const above = [await realpath(root), await realpath(join(root, ...prefix))];
  return Promise.all(
    folders.map(async (name) => {
      const all = await listFiles(join(root, ...prefix, name), [...prefix, name].join("/"), above);
      const pictures = all.filter(({ id }) => PICTURES.has(extname(id).toLowerCase()));
      pictures.sort((a, b) => byCodeUnits(a.id, b.id));
      return { name, pictures, others: all.length - pictures.length };
    }),
  );
}

const toItems = (folders: readonly ClassFolder[], classes: readonly string[]): ImageItem[] =>
  folders.flatMap(({ name, pictures }) =>
    pictures.map(({ id, path }) => ({ kind: "image" as const, id, label: classes.indexOf(name), path })),
  );

function requireClasses(folders: readonly ClassFolder[], shown: string): void {
  const empty = folders.filter(({ pictures }) => pictures.length === 0);
  if (empty.length === folders.length) {
    const others = folders.reduce((sum, folder) => sum + folder.others, 0);
    throw new InputError(
      `${shown} holds no pictures (${[...PICTURES].join(", ")})${others > 0 ? `, only ${others} other files` : ""}`,
    );
  }
  if (empty.length > 0) {
    throw new InputError(
      `${shown}: no pictures in the class ${empty.length > 1 ? "folders" : "folder"} ${nameSome(empty)}; fill or remove ${empty.length > 1 ? "them" : "it"}`,
    );
  }
  if (folders.length === 1) {
    throw new InputError(`${shown} has only one class, ${nameSome(folders)}; at least two are needed to tell apart`);
  }
}

function requireKnownClasses(tested: readonly ClassFolder[], classes: readonly string[], shown: string): void {
  const unknown = tested.filter(({ name, pictures }) => pictures.length > 0 && !classes.includes(name));
  if (unknown.length > 0) {
    throw new InputError(`${shown} has classes that the training part does not have: ${nameSome(unknown)}`);
  }
  if (tested.every(({ pictures }) => pictures.length === 0))
    throw new InputError(`${shown} holds no pictures to test on`);
}

const nameSome = (folders: readonly ClassFolder[]): string => {
  const names = folders.slice(0, 10).map(({ name }) => `"${name}"`);
  return names.join(", ") + (folders.length > 10 ? ` and ${folders.length - 10} more` : "");
};

/** Folders and files of a folder, links followed, hidden ones and what operating systems leave behind left out. */
async function listFolder(path: string, shown = path): Promise<{ folders: string[]; files: string[] }> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (cause) {
    throw new InputError(`cannot read the folder ${shown}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    const { name } = entry;
    if (name.startsWith(".") || name.startsWith("__MACOSX") || name === "Thumbs.db" || name === "desktop.ini") continue;
    // A broken link is kept as a file: reading it names it among the bad pictures.
    const isFolder = entry.isSymbolicLink()
      ? await stat(join(path, name)).then(
          (target) => target.isDirectory(),
          () => false,
        )
      : entry.isDirectory();
    (isFolder ? folders : files).push(name);
  }
  return { folders: folders.sort(byCodeUnits), files };
}

/**
 * All files below a folder.
 * @param above real paths of the folders that it lies in: a link back to one of them is not followed
 */
async function listFiles(path: string, id: string, above: readonly string[]): Promise<{ id: string; path: string }[]> {
  const real = await realpath(path);
  if (above.includes(real)) return [];
  const { folders, files } = await listFolder(path);
  const own = files.map((name) => ({ id: `${id}/${name}`, path: join(path, name) }));
  const chain = [...above, real];
  const below = await Promise.all(folders.map((name) => listFiles(join(path, name), `${id}/${name}`, chain)));
  return [...own, ...below.flat()];
}
