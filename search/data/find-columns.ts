import { extname } from "node:path";
import { InputError } from "../../crawler/errors.ts";

/** Columns as the user names them. */
export interface TableColumns {
  readonly image?: string | undefined;
  readonly text?: string | undefined;
  readonly label?: string | undefined;
  readonly split?: string | undefined;
}

/** A column as DuckDB describes it, with its value in the first row (undefined where it has none). */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly sample: unknown;
}

/** What a table holds: `bytes` is a Hugging Face struct {bytes, path} (`struct`) or plain bytes. */
export type Content =
  | { readonly kind: "path"; readonly column: string }
  | { readonly kind: "bytes"; readonly column: string; readonly struct: boolean }
  | { readonly kind: "text"; readonly column: string };

export interface FoundColumns {
  readonly content: Content;
  readonly label: string;
  readonly split: string | undefined;
}

/** Usual names, the likeliest first. Compared without case. */
const IMAGE_NAMES = ["image", "img", "picture", "photo", "pixel_values", "image_path", "img_path", "image_file"];
const PATH_NAMES = ["path", "file", "file_path", "filepath", "filename", "file_name", "bytes", "image_bytes"];
const TEXT_NAMES = ["text", "sentence", "review", "content", "document", "body", "title", "question"];
const LABEL_NAMES = ["label", "labels", "class", "class_name", "target", "category", "label_name", "fine_label", "y"];
const SPLIT_NAMES = ["split", "subset", "partition"];

const PICTURES = new Set([".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff"]);
const STRUCT_WITH_BYTES = /^STRUCT\(.*\bbytes"? BLOB\b/;

/**
 * Finds out which columns of a table are the examples and which their labels.
 * @throws InputError when that is not clear, or a named column does not exist; says what there is
 */
export function findColumns(columns: readonly Column[], named: TableColumns, shown: string): FoundColumns {
  const there = `the columns are ${columns
    .map(({ name }) => name)
    .slice(0, 50)
    .join(", ")}`;
  const get = (option: string, name: string): Column => {
    const column = columns.find((candidate) => candidate.name === name);
    if (!column) throw new InputError(`${shown} has no column "${name}" (${option}); ${there}`);
    return column;
  };
  const find = (names: readonly string[], accepts: (column: Column) => boolean): Column | undefined =>
    names
      .flatMap((name) => columns.filter((column) => column.name.toLowerCase() === name))
      .find((column) => accepts(column));

  const label = named.label === undefined ? find(LABEL_NAMES, isLabel) : get("--label-column", named.label);
  if (!label) {
    throw new InputError(
      `${shown}: no label column found (tried ${LABEL_NAMES.join(", ")}); ${there}. Name it with --label-column`,
    );
  }
  if (!isLabel(label)) {
    throw new InputError(
      `${shown}: the label column "${label.name}" holds ${label.type}; expected one class for each row`,
    );
  }
  const split = named.split === undefined ? find(SPLIT_NAMES, isText) : get("--split-column", named.split);
  const content = (): Content => {
    if (named.image !== undefined) {
      const column = get("--image-column", named.image);
      if (isBytes(column)) return bytes(column);
      if (isText(column)) return { kind: "path", column: column.name };
      throw new InputError(
        `${shown}: the column "${column.name}" holds ${column.type}; expected paths or the bytes of pictures`,
      );
    }
    if (named.text !== undefined) {
      const column = get("--text-column", named.text);
      if (isText(column)) return { kind: "text", column: column.name };
      throw new InputError(`${shown}: the column "${column.name}" holds ${column.type}; expected text`);
    }
    const image = find([...IMAGE_NAMES, ...PATH_NAMES], (column) => isBytes(column) || isPicturePath(column));
    if (image) return isBytes(image) ? bytes(image) : { kind: "path", column: image.name };
    const text = find(TEXT_NAMES, (column) => isText(column) && column.name !== label.name);
    if (text) return { kind: "text", column: text.name };
    throw new InputError(
      `${shown}: no column of pictures or texts found; ${there}. Name it with --image-column or --text-column`,
    );
  };
  return { content: content(), label: label.name, split: split?.name };
}

const isText = ({ type }: Column): boolean => type === "VARCHAR" || type.startsWith("ENUM");
const isBytes = ({ type }: Column): boolean => type === "BLOB" || STRUCT_WITH_BYTES.test(type);
const isLabel = ({ type }: Column): boolean => !/\[|^STRUCT|^MAP|^BLOB|^JSON/.test(type);
const isPicturePath = (column: Column): boolean =>
  isText(column) && typeof column.sample === "string" && PICTURES.has(extname(column.sample).toLowerCase());
const bytes = ({ name, type }: Column): Content => ({ kind: "bytes", column: name, struct: type !== "BLOB" });
