import { printableText } from "../../crawler/printable-text.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as HTML shows it, in an element or a quoted attribute; control characters are shown as such. */
export const escapeHtml = (text: string): string =>
  text
    .split("\n")
    .map(printableText)
    .join("\n")
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
