import { displayWidth, printableText } from "../../crawler/printable-text.ts";

/** A column of a table: its title, and whether its values are numbers, which stand to the right. */
export interface Column {
  readonly title: string;
  readonly isNumber?: boolean;
}

/** A table in plain text, for people. Columns are as wide as their widest value. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(printableText));
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((row) => displayWidth(row[index] ?? ""))),
  );
  const line = (values: readonly string[]): string =>
    values
      .map((value, index) => {
        const gap = " ".repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(value)));
        return columns[index]?.isNumber ? gap + value : value + gap;
      })
      .join("  ")
      .trimEnd();
  const titles = columns.map(({ title }) => title);
  return [line(titles), line(widths.map((width) => "─".repeat(width))), ...cells.map(line)].join("\n");
}
