/** One labelled picture: a file, or the bytes `begin` to `end` of a file that holds many. */
export interface ImageItem {
  readonly kind: "image";
  /** Unique in the data set and stable: the path relative to it, or file, row and column of a table. */
  readonly id: string;
  /** Index into the data set's classes. */
  readonly label: number;
  readonly path: string;
  readonly range?: { readonly begin: number; readonly end: number };
}

/** One labelled text. */
export interface TextItem {
  readonly kind: "text";
  readonly id: string;
  readonly label: number;
  readonly text: string;
}

export type Item = ImageItem | TextItem;

/** The user's labelled examples, in an order that depends on nothing but them (and the seed, where a part is held back). */
export interface DataSetOf<I extends Item> {
  readonly kind: I["kind"];
  readonly name: string;
  /** Names of the classes; an item's label is an index into it. */
  readonly classes: readonly string[];
  readonly train: readonly I[];
  readonly test: readonly I[];
  /** What was decided for the user and should be said: a part held back, items skipped. */
  readonly notes: readonly string[];
}

export type ImageDataSet = DataSetOf<ImageItem>;
export type TextDataSet = DataSetOf<TextItem>;
export type DataSet = ImageDataSet | TextDataSet;

/** Ascending by UTF-16 code units, which no locale changes. */
export const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
