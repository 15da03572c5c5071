-- Return how many images had which outcome and reason, by stream.
select
    ledger_total.stream,
    ledger_total.outcome,
    ledger_total.reason,
    ledger_total.n_images
from ledger_total
order by ledger_total.stream, ledger_total.outcome, ledger_total.reason
