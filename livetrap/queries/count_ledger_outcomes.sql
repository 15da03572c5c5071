-- Count the images of the ledger by outcome.
select
    outcome,
    count(*) as n_images
from image_ledger
group by outcome
order by outcome
