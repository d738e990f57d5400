/**
 * One row a family whose base is indexed: its fine-tunes by pattern, and the bytes that storing each block once saves.
 * `bytes` and `unique_bytes` count the backbones of the fine-tunes and of the base.
 */
export const familyOverlapSql = `
  WITH chain AS (
    SELECT m.family AS base, c.block_id, b.bytes
    FROM models AS m JOIN model_blocks AS c USING (model_id) JOIN blocks AS b USING (block_id)
    WHERE m.status = 'indexed' AND m.family IS NOT NULL
  ),
  logical AS (SELECT base, sum(bytes)::BIGINT AS bytes FROM chain GROUP BY base),
  stored AS (
    SELECT base, sum(bytes)::BIGINT AS unique_bytes
    FROM (SELECT DISTINCT base, block_id, bytes FROM chain)
    GROUP BY base
  ),
  patterns AS (
    SELECT
      base,
      count(*) AS models,
      count(*) FILTER (shared_blocks > 0) AS overlapping,
      count(*) FILTER (pattern = 'identical') AS identical,
      count(*) FILTER (pattern = 'norm-only') AS norm_only,
      count(*) FILTER (pattern = 'first-frozen') AS first_frozen,
      count(*) FILTER (pattern = 'last-frozen') AS last_frozen,
      count(*) FILTER (pattern = 'scattered') AS scattered,
      count(*) FILTER (pattern = 'none') AS "none"
    FROM model_overlap
    GROUP BY base
  )
  SELECT
    regexp_replace(base, '^.*/', '') AS family,
    base,
    coalesce(models, 0) AS models,
    coalesce(overlapping, 0) AS overlapping,
    CASE WHEN models > 0 THEN overlapping / models END AS overlap_share,
    coalesce(identical, 0) AS identical,
    coalesce(norm_only, 0) AS norm_only,
    coalesce(first_frozen, 0) AS first_frozen,
    coalesce(last_frozen, 0) AS last_frozen,
    coalesce(scattered, 0) AS scattered,
    coalesce("none", 0) AS "none",
    logical.bytes,
    unique_bytes,
    CASE WHEN logical.bytes > 0 THEN 1 - unique_bytes / logical.bytes ELSE 0 END AS saved_share
  FROM logical
  JOIN stored USING (base)
  LEFT JOIN patterns USING (base)
  WHERE base IN (SELECT model_id FROM models WHERE status = 'indexed')`;
