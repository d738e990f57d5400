/**
 * One row a pair of indexed models of a family, the base among them; `model_a` < `model_b`. Shared blocks are the
 * distinct blocks that both chains hold, at whatever position; the shared prefix is the leading blocks that are equal.
 */
export const siblingOverlapSql = `
  WITH chain AS (
    SELECT m.family, c.model_id, c.position, c.block_id, b.bytes
    FROM models AS m JOIN model_blocks AS c USING (model_id) JOIN blocks AS b USING (block_id)
    WHERE m.status = 'indexed' AND m.family IS NOT NULL
  ),
  numbered AS (SELECT *, dense_rank() OVER (ORDER BY block_id) AS number FROM chain),
  member AS (
    SELECT
      family,
      model_id,
      list(number ORDER BY position) AS numbers,
      map_from_entries(list(DISTINCT (number, bytes))) AS sizes
    FROM numbered
    GROUP BY family, model_id
  ),
  pair AS (
    SELECT a.family AS base, a.model_id AS model_a, b.model_id AS model_b
    FROM member AS a JOIN member AS b ON a.family = b.family AND a.model_id < b.model_id
  ),
  compared AS (
    SELECT
      pair.*,
      a.numbers AS numbers_a,
      b.numbers AS numbers_b,
      a.sizes,
      list_intersect(a.numbers, b.numbers) AS common
    FROM pair JOIN member AS a ON a.model_id = model_a JOIN member AS b ON b.model_id = model_b
  )
  SELECT
    regexp_replace(base, '^.*/', '') AS family,
    base,
    model_a,
    model_b,
    len(common) AS shared_blocks,
    coalesce(list_sum([sizes[number] FOR number IN common]), 0)::BIGINT AS shared_bytes,
    coalesce(
      nullif(list_position([place[1] = place[2] FOR place IN list_zip(numbers_a, numbers_b, true)], false), 0) - 1,
      least(len(numbers_a), len(numbers_b))
    ) AS shared_prefix,
    numbers_a = numbers_b AS identical
  FROM compared`;
