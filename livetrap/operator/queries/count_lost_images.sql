-- Count the images that Kafka deleted before they were measured or associated.
select coalesce(sum(ledger_total.n_images), 0)::bigint as n_images
from ledger_total
where ledger_total.reason = 'lost_by_retention'
