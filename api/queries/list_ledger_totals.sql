-- Return how many images met which fate.
select
    ledger_total.stream,
    ledger_total.outcome,
    ledger_total.reason,
    ledger_total.n_images
from ledger_total
order by ledger_total.stream, ledger_total.outcome, ledger_total.reason
