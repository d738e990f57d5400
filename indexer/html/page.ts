import { escapeHtml } from "./escape-html.ts";

const STYLE = `
:root { color-scheme: light dark; --text: #1d2430; --quiet: #5d6775; --page: #fff; --card: #f3f5f8; --line: #dde2e9;
  --same: #2f7d5b; --moved: #9ccfb5; --changed: #cdd3db; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ee; --quiet: #9aa4b2; --page: #14181e; --card: #1d232b;
  --line: #303844; --same: #46b383; --moved: #2b5f49; --changed: #3f4854; } }
body { margin: 2rem auto; padding: 0 1.5rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.quiet { color: var(--quiet); margin: .2rem 0 1.2rem }
.cards { display: flex; flex-wrap: wrap; gap: .8rem }
.card { background: var(--card); border-radius: 8px; padding: .7rem 1rem; min-width: 9rem }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums } .card span { color: var(--quiet) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line) }
td { white-space: nowrap } td:first-child { white-space: normal; overflow-wrap: anywhere } th { color: var(--quiet); font-weight: 600; white-space: nowrap }
.number { text-align: right }`;

/** A page: its title, what it is about, rules of its own, and its content, which is HTML already. */
export interface Page {
  readonly title: string;
  readonly subtitle: string;
  readonly style?: string;
  readonly body: string;
}

/** A self-contained HTML page, light or dark: no script, no request. */
export const htmlPage = ({ title, subtitle, style = "", body }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${STYLE}
${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="quiet">${escapeHtml(subtitle)}</p>
${body}
</body>
</html>
`;

/** A figure and what it is. */
export const card = (value: string, label: string): string =>
  `<div class="card"><b>${escapeHtml(value)}</b><span>${escapeHtml(label)}</span></div>`;

/** A table; the columns from `numbers` on stand to the right. */
export function htmlTable(titles: readonly string[], rows: readonly (readonly string[])[], numbers: number): string {
  const cells = (tag: "th" | "td", values: readonly string[]) =>
    values
      .map((value, index) => `<${tag}${index >= numbers ? ' class="number"' : ""}>${escapeHtml(value)}</${tag}>`)
      .join("");
  const body = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("\n");
  return `<div class="wide"><table>\n<tr>${cells("th", titles)}</tr>\n${body}\n</table></div>`;
}
