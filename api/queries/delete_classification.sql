-- Withdraw a classification; return no row if there is none of this number.
--
-- $1  source_id  bigint
-- $2  id         bigint
-- Index: the primary key.
delete from source_classification
where
    source_classification.source_id = $1::bigint
    and source_classification.id = $2::bigint
returning source_classification.id
