/**
 * The question for the next page of a list, from the answer's `Link: <…>; rel="next"`. Only the question is taken: behind
 * a mirror the link names another host, and a local hub comes back at another port.
 * @returns `?…`, or null after the last page
 */
export function nextQuestion(headers: Headers, url: string): string | null {
  const [, link] = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get("link") ?? "") ?? [];
  return link !== undefined && URL.canParse(link, url) ? new URL(link, url).search : null;
}
