/** What a JSON text from a stranger may be, so that neither the parser nor what walks the result runs out of anything. */
export interface JsonLimits {
  /** Objects and lists inside one another. V8 parses any depth, but what walks the result recurses. */
  readonly maxDepth: number;
  /** Members of objects and elements of lists, of the whole text: each takes some 100 bytes once it is parsed. */
  readonly maxValues: number;
  /** Whether an object may not name a member twice: of two, parsers take the first or the last. */
  readonly hasUniqueKeys?: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

interface Level {
  /** Null for a list, or where keys may repeat. */
  readonly keys: Set<string> | null;
  readonly isObject: boolean;
  isKeyNext: boolean;
}

/**
 * Looks at a JSON text before it is parsed, in one pass and with memory for its keys only. What is not JSON passes, as
 * the parser will say so.
 * @returns which limit the text breaks, in words, or null
 */
export function checkJson(text: string, { maxDepth, maxValues, hasUniqueKeys = false }: JsonLimits): string | null {
  const levels: Level[] = [];
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        const level = levels.at(-1);
        if (level?.isKeyNext) {
          level.isKeyNext = false;
          const key = level.keys && keyOf(text.slice(at, end + 1));
          if (key !== null) {
            if (level.keys?.has(key)) return `it names ${JSON.stringify(key.slice(0, 200))} twice`;
            level.keys?.add(key);
          }
        }
        at = end;
        break;
      }
      case "{":
      case "[": {
        const isObject = text[at] === "{";
        levels.push({ isObject, isKeyNext: isObject, keys: isObject && hasUniqueKeys ? new Set() : null });
        if (levels.length > maxDepth) return `it is nested deeper than ${maxDepth} levels`;
        values++;
        break;
      }
      case "}":
      case "]":
        levels.pop();
        break;
      case ",": {
        const level = levels.at(-1);
        if (level?.isObject) level.isKeyNext = true;
        values++;
        break;
      }
      default: // part of a number, a word or a space
    }
    if (values > maxValues) return `it holds more than ${maxValues} values`;
  }
  return null;
}

/** Index of the quote that ends a string, or of the text's last character. */
function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}

/** A key without its escapes, so that two spellings of one are one; null where it is none. */
function keyOf(quoted: string): string | null {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return null;
  }
}
