-- Delete detections of expired months that share a partition with later ones; return how many.
--
-- $1  retention  interval
-- $2  limit      bigint    [-]
select delete_expired_detections($1::interval, $2::bigint) as n_deleted
