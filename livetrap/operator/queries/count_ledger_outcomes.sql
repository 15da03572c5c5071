-- Count the images of the ledger by outcome.
select
    outcome,
    sum(n_images)::bigint as n_images
from ledger_total
group by outcome
order by outcome
