/**
 * What a model does to a text before its first layer. Plain JSON-safe data. Texts are always padded on the right, which
 * the attention mask takes back, so that padding is no part of it.
 */
export interface TextPreprocessing {
  readonly kind: "text";
  /** Names the tokenizer, in its canonical form: sha256 hex. The store keeps it under this name. */
  readonly tokenizer: string;
  /** Longer texts are cut, special tokens included. */
  readonly maxTokens: number;
  /** Which side of a long text is cut off. */
  readonly cutSide: "right" | "left";
  /** Id that fills up short texts. */
  readonly padId: number;
}
