/**
 * One row a fine-tune whose base is indexed too: how much of its backbone the base has.
 *
 * - A block of the model is shared when the base holds it, at whatever position.
 * - The shared prefix is the leading blocks that equal the base's, position by position.
 * - A tensor of the backbone is shared when the base's backbone holds one of the same values.
 * - The patterns are tried in the order of the CASE; the first that holds names the model. For `norm-only` the graphs
 *   agree at every position, and every slot whose values differ belongs to a normalisation.
 */
export const modelOverlapSql = `
  WITH chain AS (
    SELECT m.family AS base, m.model_id, m.revision, c.position, c.block_id, b.graph_hash, b.bytes
    FROM models AS m JOIN model_blocks AS c USING (model_id) JOIN blocks AS b USING (block_id)
    WHERE m.status = 'indexed' AND m.family IS NOT NULL
  ),
  base_chain AS (SELECT * FROM chain WHERE model_id = base),
  held AS (SELECT DISTINCT base, block_id FROM base_chain),
  base_length AS (SELECT base, count(*) AS blocks FROM base_chain GROUP BY base),
  compared AS (
    SELECT
      chain.*,
      held.block_id IS NOT NULL AS shared,
      coalesce(twin.block_id = chain.block_id, false) AS same_block,
      coalesce(twin.graph_hash = chain.graph_hash, false) AS same_graph,
      twin.block_id AS twin_id
    FROM chain
    LEFT JOIN held ON held.base = chain.base AND held.block_id = chain.block_id
    LEFT JOIN base_chain AS twin ON twin.base = chain.base AND twin.position = chain.position
    WHERE chain.model_id <> chain.base
  ),
  counted AS (
    SELECT
      base,
      model_id,
      any_value(revision) AS revision,
      count(*) AS blocks,
      count(*) FILTER (shared) AS shared_blocks,
      coalesce(min(position) FILTER (NOT same_block), count(*)) AS shared_prefix,
      min(position) FILTER (shared) AS first_shared,
      coalesce(sum(bytes) FILTER (shared), 0)::BIGINT AS shared_bytes,
      sum(bytes)::BIGINT AS bytes,
      bool_and(same_graph) AS same_graphs
    FROM compared
    GROUP BY base, model_id
  ),
  changed AS (
    SELECT model_id, bool_and(own.role = 'norm') AS norms_only
    FROM compared
    JOIN block_tensors AS own ON own.block_id = compared.block_id
    JOIN block_tensors AS other ON other.block_id = compared.twin_id AND other.slot = own.slot
    WHERE NOT same_block AND own.hash <> other.hash
    GROUP BY model_id
  ),
  held_tensors AS (
    SELECT DISTINCT base_chain.base, t.hash FROM base_chain JOIN block_tensors AS t USING (block_id)
  ),
  tensor_counts AS (
    SELECT model_id, count(*) AS tensors, count(held_tensors.hash) AS shared_tensors
    FROM compared
    JOIN block_tensors AS t USING (block_id)
    LEFT JOIN held_tensors ON held_tensors.base = compared.base AND held_tensors.hash = t.hash
    GROUP BY model_id
  )
  SELECT
    regexp_replace(base, '^.*/', '') AS family,
    base,
    model_id,
    model_id AS model,
    revision,
    counted.blocks,
    shared_blocks,
    shared_prefix,
    shared_bytes,
    bytes,
    CASE
      WHEN shared_blocks = counted.blocks AND counted.blocks = base_length.blocks THEN 'identical'
      WHEN same_graphs AND counted.blocks = base_length.blocks AND coalesce(norms_only, false) THEN 'norm-only'
      WHEN shared_prefix >= 1 THEN 'first-frozen'
      WHEN shared_blocks >= 1 AND first_shared = counted.blocks - shared_blocks THEN 'last-frozen'
      WHEN shared_blocks >= 1 THEN 'scattered'
      ELSE 'none'
    END AS pattern,
    coalesce(tensors, 0) AS tensors,
    coalesce(shared_tensors, 0) AS shared_tensors
  FROM counted
  JOIN base_length USING (base)
  LEFT JOIN changed USING (model_id)
  LEFT JOIN tensor_counts USING (model_id)`;
